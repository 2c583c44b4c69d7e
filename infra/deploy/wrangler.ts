import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { run } from './command.ts'
import type { EdgeOutput } from './outputs.ts'

/** The Worker of one deployment, as wrangler reaches it. */
export type Wrangler = {
  /** Uploads code, variables and secrets as one version, which all requests get from then on. Answers with its id. */
  deploy(configFile: string, secrets: Readonly<Record<string, string>>): Promise<string>
  /** Bundles and uploads nothing. */
  tryOut(configFile: string): Promise<void>
  history(): Promise<History>
  /** Gives all requests to a version that was uploaded before. */
  rollBack(versionId: string, reason: string): Promise<void>
}

/** Ids of versions that get or got all requests. */
export type History = {
  /** Undefined where nothing was deployed yet, and while several share the requests. */
  readonly serving: string | undefined
  /** Of a version that was gone back from nothing is left here. */
  readonly before: string | undefined
}

const deployedSchema = z.object({ type: z.literal('deploy'), version_id: z.string() })
const deploymentsSchema = z.array(
  z.object({
    created_on: z.string(),
    versions: z.array(z.object({ version_id: z.string(), percentage: z.number() })),
  }),
)

/** What Cloudflare answers for a Worker that is not there. */
const absentPattern = /\b(10007|10090)\b|does not exist/

/**
 * @param options.token of the account; where it is absent, whatever wrangler finds
 * @param options.print takes each line that wrangler prints
 */
export const createWrangler = (options: {
  readonly edge: Pick<EdgeOutput, 'name' | 'account_id'>
  readonly project: string
  readonly token: string | undefined
  readonly print: (line: string) => void
}): Wrangler => {
  const { edge, project, token, print } = options
  const env = {
    ...quiet,
    CLOUDFLARE_ACCOUNT_ID: edge.account_id,
    ...(token === undefined ? {} : { CLOUDFLARE_API_TOKEN: token }),
  }
  const shared = { env, folder: project, onLine: print }

  return {
    deploy: async (configFile, secrets) => {
      const folder = await mkdtemp(join(tmpdir(), 'perigee-deploy-'))
      const told = join(folder, 'told.ndjson')
      try {
        await run({
          ...shared,
          env: { ...env, WRANGLER_OUTPUT_FILE_PATH: told },
          name: 'wrangler deploy',
          // wrangler takes secrets from a file. Node's own pipes are sockets, which cannot be opened by name; the shell's can.
          command: 'sh',
          args: [
            '-c',
            'cat | "$@"',
            'sh',
            'wrangler',
            'deploy',
            '--config',
            configFile,
            '--secrets-file',
            '/dev/stdin',
          ],
          input: JSON.stringify(secrets),
        })
        return versionOf(await readFile(told, 'utf8'))
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    },
    tryOut: async (configFile) => {
      await run({ ...shared, command: 'wrangler', args: ['deploy', '--config', configFile, '--dry-run'] })
    },
    history: async () => {
      const listed = await run({
        env,
        folder: project,
        command: 'wrangler',
        args: ['deployments', 'list', '--name', edge.name, '--json'],
      }).catch((error: Error) => {
        if (absentPattern.test(error.message)) return '[]'
        throw error
      })
      return historyOf(deploymentsSchema.parse(JSON.parse(listed)))
    },
    rollBack: async (versionId, reason) => {
      const args = ['rollback', versionId, '--name', edge.name, '--yes', '--message', reason]
      await run({ ...shared, command: 'wrangler', args })
    },
  }
}

/** No statistics, no look for news, no colours, nothing that is asked of a person. */
const quiet = {
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_SEND_ERROR_REPORTS: 'false',
  WRANGLER_HIDE_BANNER: 'true',
  CI: 'true',
  NO_COLOR: '1',
}

/** @throws Error when wrangler told of no deployment */
const versionOf = (told: string): string => {
  for (const line of told.split('\n').filter(Boolean)) {
    const deployed = deployedSchema.safeParse(JSON.parse(line))
    if (deployed.success) return deployed.data.version_id
  }
  throw new Error('wrangler ended well and told of no version: see its output, and `wrangler deployments list`')
}

const historyOf = (deployments: z.infer<typeof deploymentsSchema>): History => {
  const ids = deployments
    .toSorted((a, b) => a.created_on.localeCompare(b.created_on))
    .map(({ versions }) => versions.find(({ percentage }) => percentage === 100)?.version_id)
  const stack: string[] = []
  for (const id of ids) {
    if (id === undefined) continue
    // A version is uploaded once: where it comes again somebody went back to it, or a variable of the account has changed.
    const place = stack.indexOf(id)
    stack.splice(place < 0 ? stack.length : place, Number.POSITIVE_INFINITY, id)
  }
  const serving = ids.at(-1)
  return { serving, before: stack.at(serving === undefined ? -1 : -2) }
}
