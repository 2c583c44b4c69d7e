import { execFile, execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { parseDocument } from 'yaml'
import { routes } from '#contract/routes.ts'
import { type FakePrograms, fakePrograms } from './fake-programs.ts'

type Step = {
  readonly name?: string
  readonly id?: string
  readonly if?: string
  readonly uses?: string
  readonly run?: string
  readonly env?: Readonly<Record<string, string>>
}
type Job = {
  readonly if?: string
  readonly uses?: string
  readonly environment?: string
  readonly permissions?: Readonly<Record<string, string>>
  readonly steps?: readonly Step[]
}
type Workflow = {
  readonly on: Readonly<Record<string, unknown>>
  readonly permissions?: Readonly<Record<string, string>>
  readonly concurrency?: { readonly 'cancel-in-progress': boolean }
  readonly jobs: Readonly<Record<string, Job>>
}

const project = fileURLToPath(new URL('..', import.meta.url))
const read = (file: string) => readFileSync(join(project, file), 'utf8')
const folder = '.github/workflows'
const files = readdirSync(join(project, folder))

const parse = (file: string): Workflow => {
  const document = parseDocument(read(`${folder}/${file}`), { strict: true, uniqueKeys: true })
  expect([...document.errors, ...document.warnings], file).toEqual([])
  return document.toJS() as Workflow
}

const jobsOf = (workflow: Workflow) => Object.entries(workflow.jobs)
const stepsOf = (workflow: Workflow) => jobsOf(workflow).flatMap(([, { steps = [] }]) => steps)
const scriptsOf = (workflow: Workflow) => stepsOf(workflow).flatMap(({ run }) => (run === undefined ? [] : [run]))
const uses = ({ steps = [] }: Job, action: string) => steps.some((step) => step.uses?.startsWith(`${action}@`))

describe.each(files)('the workflow %s', (file) => {
  const workflow = parse(file)

  test('runs scripts that bash understands, and no word of an event is pasted into one', () => {
    for (const script of scriptsOf(workflow)) {
      execFileSync('bash', ['-n'], { input: script })
      expect(script).not.toContain('${{')
    }
  })

  test('names scripts of package.json, options that they take, and paths of Terraform that are there', async () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const helpers = ['.ci/run', '.github/smoke'].map(read)
    for (const text of [...scriptsOf(workflow), ...helpers]) {
      for (const [, name = '', options = ''] of text.matchAll(/npm run (?:--silent )?([\w:-]+)(?: -- (.*))?/g)) {
        expect(Object.keys(scripts), text).toContain(name)
        const source = /node (\S+\.ts)$/.exec(scripts[name] ?? '')?.[1]
        for (const [option] of options.matchAll(/--[a-z][a-z-]*/g)) {
          expect(source, `${name} ${option}`).toBeDefined()
          expect(read(source ?? '').includes(option) || scripts[name]?.includes(option), `${name} ${option}`).toBe(true)
        }
      }
      for (const [path] of text.matchAll(/\bterraform\/[\w./-]+\w/g)) await access(join(project, path))
      for (const [, path = ''] of text.matchAll(/\bbash (\.\S+)/g)) await access(join(project, path))
    }
  })

  test('takes actions by a major version, or workflows of this repository', async () => {
    const used = [...stepsOf(workflow), ...jobsOf(workflow).map(([, job]) => job)].flatMap(({ uses }) => uses ?? [])
    for (const action of used)
      if (action.startsWith('./')) await access(join(project, action))
      else expect(action).toMatch(/^[\w-]+\/[\w-]+@v\d+$/)
  })

  test('has an identity only where it is used, writes nothing to the repository, and gives forks nothing', () => {
    expect(workflow.permissions).toBeDefined()
    expect(Object.keys(workflow.on)).not.toContain('pull_request_target')
    for (const permissions of [workflow.permissions ?? {}, ...jobsOf(workflow).map(([, job]) => job.permissions ?? {})])
      expect(permissions.contents ?? 'none').not.toBe('write')
    expect(Object.values(workflow.permissions ?? {})).not.toContain('write')
    for (const [name, job] of jobsOf(workflow)) {
      const hasIdentity = job.permissions?.['id-token'] === 'write'
      expect(hasIdentity, name).toBe(uses(job, 'google-github-actions/auth'))
      expect(job.permissions?.attestations === 'write', name).toBe(uses(job, 'actions/attest-build-provenance'))
      const text = JSON.stringify(job)
      if (hasIdentity || text.includes('secrets.')) expect(job.environment, name).toBeTruthy()
      if (hasIdentity) expect(job.permissions?.['pull-requests'], name).toBeUndefined()
      if (hasIdentity && 'pull_request' in workflow.on)
        expect(job.if, name).toContain('head.repo.full_name == github.repository')
    }
  })
})

/** As a workflow writes it. */
const expression = (text: string) => `$\{{ ${text} }}`

const position = (steps: readonly Step[], name: string) => {
  const at = steps.findIndex((step) => step.name === name)
  expect(at, name).toBeGreaterThanOrEqual(0)
  return at
}

test('a deployment is the image by digest, the cores, the Worker and a smoke run, and each failure leads back', () => {
  const { jobs, concurrency } = parse('deploy.yml')
  expect(concurrency?.['cancel-in-progress']).toBe(false)
  expect(JSON.stringify(jobs.image)).toContain(`core@${expression('steps.build.outputs.digest')}`)
  const steps = jobs.deploy?.steps ?? []
  const order = [
    'What serves now',
    'Cores',
    'Worker',
    'Smoke run',
    'Worker, back to what served before',
    'Cores, back to what served before',
    'Smoke run of what serves again',
  ].map((name) => position(steps, name))
  expect(order).toEqual(order.toSorted((a, b) => a - b))
  expect(order.at(-1)).toBe(steps.length - 1)

  const step = (name: string) => steps[position(steps, name)]
  expect(step('Cores')?.env?.IMAGE).toBe(expression('needs.image.outputs.image'))
  for (const name of ['Cores, back to what served before', 'Worker, back to what served before'])
    expect(step(name)?.if).toMatch(/^\(failure\(\) \|\| cancelled\(\)\) && steps\.before\.outputs\.(image|edge) != ''$/)
  expect(step('Cores, back to what served before')?.run).toBe(step('Cores')?.run)
  expect(step('Cores, back to what served before')?.env?.IMAGE).toBe(expression('steps.before.outputs.image'))
  expect(step('Worker, back to what served before')?.run).toContain('--rollback --to "$EDGE"')
})

test('a plan takes no lock and applies nothing', () => {
  const scripts = scriptsOf(parse('plan.yml')).join('\n')
  expect(scripts).toContain('plan -lock=false')
  expect(scripts).not.toContain('apply')
})

test('of a path that the zone refuses before the Worker, clients have none', () => {
  const variables = read('terraform/modules/edge-zone/variables.tf')
  const blocked = /variable "blocked_paths"[\s\S]*?default\s+= (\[.*\])/.exec(variables)?.[1]
  const paths = JSON.parse(blocked ?? '[]') as string[]
  expect(paths).toContain('/internal')
  for (const path of paths)
    for (const route of Object.values(routes)) expect(`${route.path}/`.startsWith(`${path}/`), route.path).toBe(false)
})

test('Terraform owns no route, script or domain of a Worker, and of a zone each phase once', () => {
  const modules = readdirSync(join(project, 'terraform/modules'))
  const owned = ['terraform/platform', 'terraform/bootstrap', ...modules.map((name) => `terraform/modules/${name}`)]
  const texts = owned.flatMap((path) =>
    readdirSync(join(project, path)).flatMap((name) => (name.endsWith('.tf') ? [read(`${path}/${name}`)] : [])),
  )
  const resources = texts.flatMap((text) => [...text.matchAll(/^resource "(\w+)"/gm)].map(([, type]) => type ?? ''))
  expect(resources.filter((type) => type.startsWith('cloudflare_worker'))).toEqual([])
  const phases = texts.flatMap((text) => [...text.matchAll(/^\s+phase\s+= "(\w+)"/gm)].map(([, phase]) => phase ?? ''))
  expect(phases.length).toBeGreaterThan(0)
  expect(phases).toEqual([...new Set(phases)])
})

describe('the smoke run', () => {
  let fakes: FakePrograms | undefined
  afterEach(() => fakes?.remove())

  const outputs = { edge: { value: { host: 'api.example.com' } }, cells: { value: { us1: {}, eu1: {} } } }
  const smoke = async (keys: Record<string, string>, failing?: string) => {
    const demo = 'run --silent demo -- --url https://api.example.com --publishable-key'
    fakes = await fakePrograms({
      terraform: [{ args: '-chdir=terraform/platform output -json', prints: JSON.stringify(outputs) }],
      npm: [...(failing ? [{ args: `${demo} ${failing}`, prints: 'not so', code: 1 }] : []), { args: demo }],
    })
    const env = { PATH: fakes.path, SMOKE_KEYS: JSON.stringify(keys), SMOKE_SERVER_KEY: 'sk' }
    const ended = await new Promise<{ code: number; output: string }>((resolve) =>
      execFile('bash', ['.github/smoke'], { cwd: project, env }, (error, stdout, stderr) =>
        resolve({ code: error ? 1 : 0, output: stdout + stderr }),
      ),
    )
    const played = (await fakes.calls()).filter(({ program }) => program === 'npm').map(({ args }) => args.at(-1))
    await fakes.remove()
    return { ...ended, played }
  }

  test('plays in every cell that Terraform names', async () => {
    const { code, output, played } = await smoke({ eu1: 'pk_eu', us1: 'pk_us' })
    expect(code, output).toBe(0)
    expect(played).toEqual(['eu1', 'us1'])
  })

  test('fails for one cell that fails, after it has tried all, and for a cell without a key', async () => {
    const one = await smoke({ eu1: 'pk_eu', us1: 'pk_us' }, 'pk_eu')
    expect([one.code, one.played]).toEqual([1, ['eu1', 'us1']])
    expect(one.output).toContain('not as it should be in: eu1')

    const without = await smoke({ eu1: 'pk_eu' })
    expect([without.code, without.played]).toEqual([1, ['eu1']])
    expect(without.output).toContain('SMOKE_KEYS has no key for us1')
  })
})
