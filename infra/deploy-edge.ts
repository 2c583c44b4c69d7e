import { mkdir, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Bindings, parseEnvironment } from '#edge/environment.ts'
import { type EdgeOutput, type Outputs, readOutputs } from './deploy/outputs.ts'
import { readSecrets, withoutSecrets } from './deploy/secrets.ts'
import { createWrangler, type Wrangler } from './deploy/wrangler.ts'
import type { WranglerConfig } from './deploy/wrangler-config.ts'
import { createGoogleIdentity, type GoogleKey } from './google-identity.ts'

const usage = `Deploys the Worker as Terraform's outputs say, with secrets from Secret Manager.

  npm run deploy:edge -- --env production              uploads a version, which all requests get from then on
                         --dry-run                     shows the configuration, checks all of it, uploads nothing
                         --current                     prints the id of the version that all requests get, or got last, and nothing else
                         --rollback [--to VERSION]     back to that version, or to the one before; twice, to the one before that
                         --outputs FILE                what terraform output -json printed, where there is no state here

Needs terraform (initialised in terraform/platform), gcloud, and CLOUDFLARE_API_TOKEN where Terraform made none for deploys.`

const project = fileURLToPath(new URL('..', import.meta.url))

/** What no line may show, whoever wrote it. */
const hidden: string[] = []

const print = (line: string): void => console.log(withoutSecrets(line, hidden))

const parse = () => {
  const { values } = parseArgs({
    options: {
      env: { type: 'string' },
      outputs: { type: 'string' },
      'dry-run': { type: 'boolean', default: false },
      current: { type: 'boolean', default: false },
      rollback: { type: 'boolean', default: false },
      to: { type: 'string' },
    },
  })
  if (!values.env || !/^[a-z][a-z0-9-]*$/.test(values.env)) throw new Error(`--env is missing\n\n${usage}`)
  // wrangler would take it for an option, or for none and choose by itself.
  if (values.to !== undefined && !/^\w[\w-]*$/.test(values.to))
    throw new Error(`--to is no version: ${values.to}\n\n${usage}`)
  if (values.current && values.rollback) throw new Error(`--current goes without --rollback\n\n${usage}`)
  if (values.to !== undefined && !values.rollback) throw new Error(`--to goes with --rollback\n\n${usage}`)
  return { ...values, env: values.env }
}

const main = async (): Promise<void> => {
  const given = parse()
  const outputs = await readOutputs(given.env, { file: given.outputs, folder: project })
  const { edge } = outputs
  const token = tokenOf(outputs)
  if (token) hidden.push(token)
  const wrangler = createWrangler({ edge, project, token, print })
  if (given.current) return console.log((await lastOf(wrangler)) ?? '')
  if (given.rollback) return rollBack(wrangler, edge, given.to)

  const { config, file } = await writeConfig(edge)
  print(`The Worker ${edge.name} for https://${edge.host}, as ${relative(project, file)} says`)
  if (given['dry-run']) print(JSON.stringify(config, null, 2))
  const secrets = await readSecrets(edge.secrets)
  hidden.push(...Object.values(secrets))
  await checkBindings(config, secrets)
  print(`Variables: ${Object.keys(config.vars ?? {}).join(', ')}. Secrets: ${Object.keys(secrets).join(', ')}.`)
  if (given['dry-run']) return wrangler.tryOut(file)
  const before = await lastOf(wrangler)
  const version = await wrangler.deploy(file, secrets)
  print(`Deployed version ${version}; before it was ${before ?? 'none'}.`)
  if (before) print(`Back: npm run deploy:edge -- --env ${given.env} --rollback --to ${before}`)
}

const writeConfig = async (edge: EdgeOutput): Promise<{ readonly config: WranglerConfig; readonly file: string }> => {
  const folder = join(project, '.perigee', 'deploy')
  const file = join(folder, `${edge.environment}.json`)
  // It loads all of wrangler, which takes a second that a rollback does not have to wait for.
  const { wranglerConfigOf } = await import('./deploy/wrangler-config.ts')
  const config = wranglerConfigOf(edge, { project, file })
  await mkdir(folder, { recursive: true })
  await writeFile(file, `${JSON.stringify(config, null, 2)}\n`)
  return { config, file }
}

/** Undefined where the environment gives it to wrangler. */
const tokenOf = ({ deployToken }: Outputs): string | undefined => {
  if (process.env.CLOUDFLARE_API_TOKEN) return undefined
  if (deployToken !== undefined) return deployToken
  throw new Error('CLOUDFLARE_API_TOKEN is not set, and Terraform made no token for deploys (edge.deploy_token)')
}

/** The last version that all requests got: the one that serves, unless several share them. */
const lastOf = async (wrangler: Wrangler): Promise<string | undefined> => {
  const { serving, before } = await wrangler.history()
  return serving ?? before
}

const rollBack = async (wrangler: Wrangler, edge: EdgeOutput, wanted: string | undefined): Promise<void> => {
  const { serving, before } = await wrangler.history()
  const target = wanted ?? before
  if (!target)
    throw new Error(`${edge.name} has no version before ${serving ?? 'the first'}: there is nothing to go back to`)
  // Whoever goes back because a deployment failed does not know whether it came as far as a new version.
  if (target === serving) return console.log(`${edge.name} serves version ${serving} as it is.`)
  const from = serving ? `version ${serving}` : 'several versions that shared the requests'
  await wrangler.rollBack(target, `back from ${from}`)
  console.log(`Went back from ${from} to ${target}.`)
}

/**
 * Parses the bindings as the Worker itself will, so that a missing one fails here and not for players; and refuses those that the
 * Worker does not read, which are another one's names with a slip in them.
 */
const checkBindings = async (
  { vars = {} }: WranglerConfig,
  secrets: Readonly<Record<string, string>>,
): Promise<void> => {
  const read = new Set<string | symbol>()
  const bindings = new Proxy(
    { ...vars, ...secrets },
    {
      get: (target, name) => {
        read.add(name)
        return Reflect.get(target, name)
      },
    },
  )
  // The platform's services, which wrangler binds and the Worker only keeps, are absent here.
  const { cells, controlCell, google, issuer } = parseEnvironment(bindings as unknown as Bindings)
  if (!cells.has(controlCell)) throw new Error(`CONTROL_CELL names ${controlCell}, which is not among CELLS`)
  const unread = [...Object.keys(vars), ...Object.keys(secrets)].filter((name) => !read.has(name))
  if (unread.length > 0) throw new Error(`the Worker reads no ${unread.join(', ')}: see edge/environment.ts`)
  if (!google) return
  await checkKey(google.key)
  await proveIdentity({ ...google, issuer })
}

/** What has the form of a key need not be a point of its curve, and the Worker would find out when it first signs. */
const checkKey = async (key: GoogleKey): Promise<void> => {
  try {
    await crypto.subtle.importKey('jwk', key, { name: 'ECDSA', namedCurve: key.crv }, false, ['sign'])
  } catch {
    throw new Error('the secret GOOGLE_KEY is no key: `npm run edge-key` makes one')
  }
}

/** Two requests, each of which Google answers within a second. */
const proofMaxMs = 10_000

/** Gets a token as the Worker will: a public key that was not applied, or a grant that is not there, would cost every call to a core. */
const proveIdentity = async (google: Omit<Parameters<typeof createGoogleIdentity>[0], 'clock'>): Promise<void> => {
  try {
    await createGoogleIdentity({ ...google, clock: Date.now })(AbortSignal.timeout(proofMaxMs))
  } catch (error) {
    const why = error instanceof Error ? error.message : error
    throw new Error(
      `Google makes no token for the edge: ${why}\nWas its public key applied (edge.public_keys)? What was just applied takes some minutes.`,
    )
  }
}

try {
  await main()
} catch (error) {
  console.error(withoutSecrets(error instanceof Error ? error.message : String(error), hidden))
  process.exitCode = 1
}
