import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { withoutSecrets } from '#infra/deploy/secrets.ts'
import { wranglerConfigOf } from '#infra/deploy/wrangler-config.ts'
import { createEdgeKey } from '#infra/edge-key.ts'
import type { GoogleKey } from '#infra/google-identity.ts'
import { startCloudflareApi } from './cloudflare-api.ts'
import { type FakeAnswers, type FakePrograms, fakePrograms } from './fake-programs.ts'
import { startGoogle } from './google.ts'

// Each deployment is a process that loads all of wrangler, which takes seconds on a machine that does other things too.
vi.setConfig({ testTimeout: 120_000 })

const project = fileURLToPath(new URL('..', import.meta.url))
/** Of a deployment that nobody has, so that its file is nobody's. */
const environment = `test-${randomBytes(4).toString('hex')}`
const configFile = join(project, '.perigee', 'deploy', `${environment}.json`)

const edgeKeys = `k1:${randomBytes(32).toString('base64')}`
const edge = {
  name: 'perigee-test',
  environment,
  host: 'api.example.com',
  account_id: '0123456789abcdef0123456789abcdef',
  vars: {
    CELLS: JSON.stringify({ eu1: { coreUrl: 'https://core.example', near: ['EU'] } }),
    CONTROL_CELL: 'eu1',
    ISSUER: 'https://api.example.com',
    UPSTASH_URL: 'https://upstash.example',
    UPSTASH_KEYS_MAX: '500000',
  },
  secrets: {
    UPSTASH_TOKEN: 'projects/acme/secrets/perigee-upstash-token/versions/3',
    EDGE_KEYS: 'projects/acme/secrets/perigee-edge-keys',
  },
}
type Edge = typeof edge
const googleIdentity = {
  audience: 'perigee-core',
  provider: 'projects/1/locations/global/workloadIdentityPools/perigee-edge/providers/worker',
  serviceAccount: 'perigee-edge@acme.iam.gserviceaccount.com',
}

const deployment = (id: string, at: string, percentage = 100) => ({
  created_on: `2027-01-0${at}T00:00:00Z`,
  versions: [{ version_id: id, percentage }],
})
/** Not in order, as nobody promises one; and the last but one is half of a gradual deployment. */
const deployments = [deployment('v3', '4'), deployment('v1', '1'), deployment('v2', '2'), deployment('v3', '3', 50)]

const outputsOf = (value: object, token: string | null = 'the-deploy-token') =>
  JSON.stringify({
    edge: { sensitive: false, type: 'dynamic', value },
    deploy_token: { sensitive: true, type: 'string', value: token },
    other: { value: 1 },
  })

const answersWith = (given: {
  edge?: object
  secrets?: Record<string, string>
  wrangler?: FakeAnswers[string]
}): FakeAnswers => ({
  terraform: [{ args: '-chdir=terraform/platform output -json', prints: outputsOf(given.edge ?? edge) }],
  gcloud: Object.entries({
    'perigee-upstash-token/versions/3': 'the-upstash-token',
    'perigee-edge-keys/versions/latest': edgeKeys,
    ...given.secrets,
  }).map(([id, prints]) => ({ args: `secrets versions access projects/acme/secrets/${id} --quiet`, prints })),
  wrangler: given.wrangler ?? [
    { args: 'deployments list', prints: JSON.stringify(deployments) },
    {
      args: 'deploy',
      prints: 'uploaded {secrets}\n',
      told: JSON.stringify({ type: 'deploy', version: 1, version_id: 'v4' }),
    },
    { args: 'rollback', prints: 'done\n' },
  ],
})

let fakes: FakePrograms | undefined
afterEach(async () => {
  await fakes?.remove()
  await rm(configFile, { force: true })
})

const deploy = async (answers: FakeAnswers, args: readonly string[] = [], env: Record<string, string> = {}) => {
  await fakes?.remove()
  fakes = await fakePrograms(answers)
  const { CLOUDFLARE_API_TOKEN: _, ...own } = process.env
  return new Promise<{ code: number; output: string }>((resolve) =>
    execFile(
      process.execPath,
      ['infra/deploy-edge.ts', '--env', environment, ...args],
      { cwd: project, env: { ...own, PATH: `${fakes?.path}:${join(project, 'node_modules/.bin')}`, ...env } },
      (error, stdout, stderr) => resolve({ code: error ? 1 : 0, output: stdout + stderr }),
    ),
  )
}

const callsOf = async (program: string) => (await fakes?.calls())?.filter((call) => call.program === program) ?? []
const readConfig = async () => JSON.parse(await readFile(configFile, 'utf8'))

test('a deployment takes variables from Terraform and secrets from Secret Manager, and tells how to go back', async () => {
  const { code, output } = await deploy(answersWith({}))
  expect(code, output).toBe(0)
  expect(output).toContain('Deployed version v4; before it was v3.')
  expect(output).toContain(`npm run deploy:edge -- --env ${environment} --rollback --to v3`)

  const uploads = (await callsOf('wrangler')).filter(({ args }) => args[0] === 'deploy')
  expect(uploads).toHaveLength(1)
  expect(JSON.parse(uploads[0]?.secrets ?? '')).toEqual({ UPSTASH_TOKEN: 'the-upstash-token', EDGE_KEYS: edgeKeys })
  expect(uploads[0]?.token).toBe('the-deploy-token')

  const config = await readConfig()
  expect(config).toMatchObject({
    name: 'perigee-test',
    account_id: edge.account_id,
    main: '../../edge/main.ts',
    assets: { directory: '../../dist/assets' },
    routes: [{ pattern: 'api.example.com', custom_domain: true }],
    workers_dev: false,
    preview_urls: false,
  })
  expect(config.vars).toEqual({ TRACE_SHARE: '0.01', ...edge.vars })
})

test('no secret is in an argument, in the configuration or in what is printed, also when wrangler prints it', async () => {
  const { output } = await deploy(answersWith({}))
  const calls = (await fakes?.calls()) ?? []
  const seen = [output, await readFile(configFile, 'utf8'), ...calls.map(({ args }) => args.join(' '))].join('\n')
  expect(output).toContain('uploaded {"UPSTASH_TOKEN":"[secret]","EDGE_KEYS":"[secret]"}')
  for (const secret of ['the-upstash-token', edgeKeys, 'the-deploy-token']) expect(seen).not.toContain(secret)
})

test('no secret is in what a failure prints', async () => {
  const wrangler = [
    { args: 'deployments list', prints: '[]' },
    { args: 'deploy', prints: 'refused: {secrets}', code: 1 },
  ]
  const { code, output } = await deploy(answersWith({ wrangler }))
  expect(code).toBe(1)
  expect(output).toContain('wrangler deploy failed (1)')
  for (const secret of ['the-upstash-token', edgeKeys]) expect(output).not.toContain(secret)
})

test('the first deployment has nothing before it', async () => {
  const wrangler = [
    { args: 'deployments list', prints: 'This Worker does not exist on your account. [code: 10007]', code: 1 },
    { args: 'deploy', told: JSON.stringify({ type: 'deploy', version: 1, version_id: 'v1' }) },
  ]
  const { code, output } = await deploy(answersWith({ wrangler }))
  expect(code, output).toBe(0)
  expect(output).toContain('Deployed version v1; before it was none.')
})

test('a wrangler that tells of no version is not taken for a deployment', async () => {
  const wrangler = [
    { args: 'deployments list', prints: '[]' },
    { args: 'deploy', told: '{"type":"wrangler-session"}' },
  ]
  const { code, output } = await deploy(answersWith({ wrangler }))
  expect(code).toBe(1)
  expect(output).toContain('told of no version')
})

test('a dry run shows the configuration, checks the secrets, and uploads nothing', async () => {
  const { code, output } = await deploy(answersWith({}), ['--dry-run'])
  expect(code, output).toBe(0)
  expect(output).toContain('"custom_domain": true')
  expect((await callsOf('wrangler')).map(({ args }) => args.at(-1))).toEqual(['--dry-run'])

  const bad = await deploy(answersWith({ secrets: { 'perigee-edge-keys/versions/latest': 'k1:c2hvcnQ=' } }), [
    '--dry-run',
  ])
  expect(bad.code).toBe(1)
  expect(bad.output).toContain('the variable EDGE_KEYS is missing or not as it should be')
  expect(bad.output).not.toContain('c2hvcnQ=')
})

test('nothing is uploaded when Terraform’s outputs lack what the Worker reads, or hold what it does not', async () => {
  const { CONTROL_CELL: _, ...fewer } = edge.vars
  const refused: readonly (readonly [Partial<Record<keyof Edge, unknown>>, string])[] = [
    [{ vars: fewer }, 'the variable CONTROL_CELL is missing or not as it should be'],
    [{ vars: { ...edge.vars, CONTROLCELL: 'eu1' } }, 'the Worker reads no CONTROLCELL'],
    [{ vars: { ...edge.vars, CONTROL_CELL: 'us1' } }, 'CONTROL_CELL names us1, which is not among CELLS'],
    [{ vars: { ...edge.vars, GOOGLE_IDENTITY: JSON.stringify(googleIdentity) } }, 'the variable GOOGLE_KEY is missing'],
    [{ vars: { ...edge.vars, UPSTASH_TOKEN: 'open' } }, 'gives UPSTASH_TOKEN both as a variable and as a secret'],
    [
      { secrets: { ...edge.secrets, EDGE_KEYS: 'k1:abc' } },
      'edge.value.secrets.EDGE_KEYS: must be projects/P/secrets/S',
    ],
    [{ host: 'https://api.example.com' }, 'edge.value.host'],
    [{ account_id: undefined }, 'edge.value.account_id'],
    [{ environment: 'staging' }, `is of staging, not of ${environment}`],
  ]
  for (const [change, message] of refused) {
    const { code, output } = await deploy(answersWith({ edge: { ...edge, ...change } }))
    expect(code, output).toBe(1)
    expect(output).toContain(message)
    expect((await callsOf('wrangler')).filter(({ args }) => args[0] === 'deploy')).toEqual([])
  }
})

test('nothing is uploaded with a key of the edge that cannot sign, or that Google does not know', async () => {
  const google = await startGoogle({ issuer: edge.vars.ISSUER })
  onTestFinished(() => google.stop())
  const answersWithKey = (key: GoogleKey) =>
    answersWith({
      edge: {
        ...edge,
        vars: { ...edge.vars, GOOGLE_IDENTITY: JSON.stringify(google.identity) },
        secrets: { ...edge.secrets, GOOGLE_KEY: 'projects/acme/secrets/perigee-google-key' },
      },
      secrets: { 'perigee-google-key/versions/latest': JSON.stringify(key) },
    })
  const { privateKey: unknown } = await createEdgeKey()
  for (const [key, message] of [
    [{ ...unknown, x: unknown.y }, 'the secret GOOGLE_KEY is no key'],
    [unknown, 'Was its public key applied'],
  ] as const) {
    const { code, output } = await deploy(answersWithKey(key))
    expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining(message) })
    expect(output).not.toContain(key.d)
    expect((await callsOf('wrangler')).filter(({ args }) => args[0] === 'deploy')).toEqual([])
  }
  const good = await deploy(answersWithKey(google.key))
  expect(good.code, good.output).toBe(0)
})

test('the line break that a file ends with is no part of a secret, and other white space around one is refused', async () => {
  const withToken = (token: string) => answersWith({ secrets: { 'perigee-upstash-token/versions/3': token } })
  const cut = await deploy(withToken('the-upstash-token\n'))
  expect(cut.code, cut.output).toBe(0)
  const secrets = (await callsOf('wrangler')).find(({ args }) => args[0] === 'deploy')?.secrets ?? ''
  expect(JSON.parse(secrets).UPSTASH_TOKEN).toBe('the-upstash-token')

  const { code, output } = await deploy(withToken('the-upstash-token \n'))
  expect(code).toBe(1)
  expect(output).toContain('perigee-upstash-token/versions/3 begins or ends with white space')
})

test('outputs are read from a file where there is no state, and a token of the environment goes before Terraform’s', async () => {
  const file = join(tmpdir(), `perigee-outputs-${environment}.json`)
  await writeFile(file, outputsOf(edge, null))
  const given = await deploy(answersWith({}), ['--outputs', file], { CLOUDFLARE_API_TOKEN: 'own-token' })
  expect(given.code, given.output).toBe(0)
  expect(await callsOf('terraform')).toEqual([])
  expect((await callsOf('wrangler')).every(({ token }) => token === 'own-token')).toBe(true)

  const without = await deploy(answersWith({}), ['--outputs', file])
  expect(without.output).toContain('CLOUDFLARE_API_TOKEN is not set')
  await writeFile(file, 'not json')
  expect((await deploy(answersWith({}), ['--outputs', file])).output).toContain('is not JSON')
  await rm(file)
})

test('the version that serves is told alone, for a script', async () => {
  const { code, output } = await deploy(answersWith({}), ['--current'])
  expect({ code, output }).toEqual({ code: 0, output: 'v3\n' })
})

test('a rollback goes to the version before, or to the one that is named, and does nothing where that one serves', async () => {
  const before = await deploy(answersWith({}), ['--rollback'])
  expect(before.output).toContain('Went back from version v3 to v2.')
  expect((await callsOf('wrangler')).at(-1)?.args.slice(0, 2)).toEqual(['rollback', 'v2'])

  const named = await deploy(answersWith({}), ['--rollback', '--to', 'v1'])
  expect(named.output).toContain('Went back from version v3 to v1.')

  // The deployment failed before it uploaded: to go on back from what serves would be wrong.
  const same = await deploy(answersWith({}), ['--rollback', '--to', 'v3'])
  expect(same.code, same.output).toBe(0)
  expect((await callsOf('wrangler')).map(({ args }) => args[0])).toEqual(['deployments'])

  const wrangler = [{ args: 'deployments list', prints: JSON.stringify([deployment('v1', '1')]) }]
  const first = await deploy(answersWith({ wrangler }), ['--rollback'])
  expect(first.code).toBe(1)
  expect(first.output).toContain('has no version before v1')
})

test('two rollbacks go back twice, and not forward again to what the first one left', async () => {
  const all = [deployment('v1', '1'), deployment('v2', '2'), deployment('v3', '3'), deployment('v2', '4')]
  const withDeployments = (given: readonly object[]) =>
    answersWith({
      wrangler: [{ args: 'deployments list', prints: JSON.stringify(given) }, { args: 'rollback' }],
    })
  const back = await deploy(withDeployments(all), ['--rollback'])
  expect(back.output).toContain('Went back from version v2 to v1.')
  const forward = await deploy(withDeployments([...all, deployment('v3', '5')]), ['--rollback'])
  expect(forward.output).toContain('Went back from version v3 to v2.')
})

test('while two versions share the requests a rollback goes to the last one that had all of them', async () => {
  const half = {
    ...deployment('v2', '2', 50),
    versions: ['v1', 'v2'].map((id) => ({ version_id: id, percentage: 50 })),
  }
  const wrangler = [
    { args: 'deployments list', prints: JSON.stringify([deployment('v1', '1'), half]) },
    { args: 'rollback' },
  ]
  expect((await deploy(answersWith({ wrangler }), ['--current'])).output).toBe('v1\n')
  for (const args of [['--rollback'], ['--rollback', '--to', 'v1']]) {
    const { output } = await deploy(answersWith({ wrangler }), args)
    expect(output).toContain('Went back from several versions that shared the requests to v1.')
    expect((await callsOf('wrangler')).at(-1)?.args.slice(0, 2)).toEqual(['rollback', 'v1'])
  }
})

test('what looks like an option is no version to go back to', async () => {
  for (const version of ['--help', '']) {
    const { code, output } = await deploy(answersWith({}), ['--rollback', `--to=${version}`])
    expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining('--to is no version') })
    expect(await callsOf('wrangler')).toEqual([])
  }
})

test('a secret of several lines, and one that another one begins with, are taken out whole', () => {
  const shown = withoutSecrets('{"a":"one\\ntwo-two"}\n  two-two\n}\ntoken-longer token', [
    'token',
    'token-longer',
    'one\ntwo-two\n}',
  ])
  expect(shown).toBe('{"a":"one\\n[secret]"}\n  [secret]\n}\n[secret] [secret]')
})

test('two deployments of one account count apart', () => {
  const idsOf = (name: string) => {
    const { ratelimits } = wranglerConfigOf({ ...edge, name }, { project, file: configFile })
    return ratelimits?.map(({ namespace_id }) => Number(namespace_id)) ?? []
  }
  const [one, other] = [idsOf('perigee-a'), idsOf('perigee-b')]
  expect(idsOf('perigee-a')).toEqual(one)
  expect(new Set([...one, ...other]).size).toBe(6)
  expect(Math.max(...one, ...other)).toBeLessThan(2 ** 31)
})

test('wrangler itself uploads code, variables and secrets as one version, and asks for the custom domain alone', async () => {
  const { wrangler: _, ...answers } = answersWith({})
  const cloudflare = await startCloudflareApi()
  const { code, output } = await deploy(answers, [], { CLOUDFLARE_API_BASE_URL: cloudflare.url })
  await cloudflare.stop()
  expect(code, output).toBe(0)
  expect(output).toContain('Deployed version 11111111-1111-4111-8111-111111111111; before it was none.')
  expect(output).not.toContain(edgeKeys)

  const { calls } = cloudflare
  expect(new Set(calls.map(({ authorization }) => authorization))).toEqual(new Set(['Bearer the-deploy-token']))
  const uploads = calls.filter(({ method, path }) => method === 'PUT' && path.endsWith('/workers/scripts/perigee-test'))
  expect(uploads).toHaveLength(1)
  for (const binding of [
    { name: 'UPSTASH_TOKEN', type: 'secret_text', text: 'the-upstash-token' },
    { name: 'EDGE_KEYS', type: 'secret_text', text: edgeKeys },
    { name: 'CONTROL_CELL', type: 'plain_text', text: 'eu1' },
  ])
    expect(uploads[0]?.body).toContain(JSON.stringify(binding))
  const domains = calls.filter(({ method, path }) => method === 'PUT' && path.includes('/domains/records'))
  expect(domains.map(({ body }) => JSON.parse(body).origins)).toEqual([[{ hostname: 'api.example.com' }]])
  const subdomain = calls.find(({ method, path }) => method === 'POST' && path.endsWith('/subdomain'))
  expect(JSON.parse(subdomain?.body ?? '{}')).toEqual({ enabled: false, previews_enabled: false })
})
