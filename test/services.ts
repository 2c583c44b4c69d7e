import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { migrateDatabase } from '#db/migrate.ts'
import { bundleEdge, type EdgeBundle } from '#infra/local/edge-bundle.ts'
import { freePort } from '#infra/local/ports.ts'
import { firstDatabase, removePostgresData, startPostgres } from '#infra/local/postgres.ts'
import { findRedis, startRedis } from '#infra/local/redis.ts'

/** What test files share. */
export type Services = {
  /** For the logs of what test files start themselves; removed at the end. */
  readonly logFolder: string
  /** The server, and the migrated database that each test file clones. */
  readonly postgres: { readonly serverUrl: string; readonly template: string }
  /** Null where there is none: what needs it then runs in its no-Redis mode. */
  readonly redisUrl: string | null
}

export type TestBundle = EdgeBundle & { readonly folder: string }

const project = fileURLToPath(new URL('..', import.meta.url))

/** Starts Postgres, and Redis where the machine has it. */
export const startServices = async (): Promise<Services & { stop(): Promise<void> }> => {
  const folder = await mkdtemp(join(tmpdir(), 'perigee-test-'))
  const logFile = (name: string) => join(folder, `${name}.log`)
  const dataFolder = join(folder, 'postgres')
  const redisBinary = findRedis()
  const [postgres, redis] = await Promise.all([
    freePort().then((port) => startPostgres({ dataFolder, port, durable: false, logFile: logFile('postgres') })),
    redisBinary
      ? freePort().then((port) => startRedis({ binary: redisBinary, port, folder, logFile: logFile('redis') }))
      : undefined,
  ])
  await migrateDatabase(postgres.url(firstDatabase))
  return {
    logFolder: folder,
    postgres: { serverUrl: postgres.url('postgres'), template: firstDatabase },
    redisUrl: redis?.url ?? null,
    stop: async () => {
      await Promise.all([redis?.stop(), postgres.stop()])
      removePostgresData(dataFolder)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Bundles this checkout's Worker as a deployment would. */
export const bundleForTests = async (): Promise<TestBundle & { remove(): Promise<void> }> => {
  const folder = await mkdtemp(join(tmpdir(), 'perigee-bundle-'))
  const bundle = await bundleEdge({ project, folder: join(folder, 'edge'), logFile: join(folder, 'wrangler.log') })
  return { ...bundle, folder: join(folder, 'edge'), remove: () => rm(folder, { recursive: true, force: true }) }
}

/** What another run has started already, for those that it starts: see `run-mutants.ts`. */
export type Lent = { readonly services: Services; readonly edgeBundle: TestBundle | undefined }

const lentVariable = 'PERIGEE_TEST_SERVICES'

export const lend = (lent: Lent): Record<string, string> => ({ [lentVariable]: JSON.stringify(lent) })

export const borrowed = (): Lent | undefined => {
  const text = process.env[lentVariable]
  // It was written by `lend`, of this very checkout.
  return text === undefined ? undefined : (JSON.parse(text) as Lent)
}
