import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { migrateDatabase } from '#db/migrate.ts'
import { bundleEdge } from '#infra/local/edge-bundle.ts'
import { freePort } from '#infra/local/ports.ts'
import { firstDatabase, removePostgresData, startPostgres } from '#infra/local/postgres.ts'
import { findRedis, startRedis } from '#infra/local/redis.ts'

/** What test files share. */
export type Services = {
  /** For the logs of what test files start themselves, and the like; removed at the end. */
  readonly scratchFolder: string
  /** The server, and the migrated database that each test file clones. */
  readonly postgres: { readonly serverUrl: string; readonly template: string }
  /** Null where there is none: what needs it then runs in its no-Redis mode. */
  readonly redisUrl: string | null
  /** The folder with the bundled Worker; null where who needs it bundles it, as in a run for a mutant of the Worker. */
  readonly edgeBundle: string | null
  /** What carries the events of a world that does not say: as a rule the emulator, where there is one. */
  readonly bus: 'pubsub' | 'direct'
}

const project = fileURLToPath(new URL('..', import.meta.url))

/** Starts Postgres, and Redis where the machine has it, and bundles the Worker. */
export const startServices = async (): Promise<Services & { stop(): Promise<void> }> => {
  const folder = await mkdtemp(join(tmpdir(), 'perigee-test-'))
  const logFile = (name: string) => join(folder, `${name}.log`)
  const dataFolder = join(folder, 'postgres')
  const redisBinary = findRedis()
  const [postgres, redis, edgeBundle] = await Promise.all([
    freePort().then((port) => startPostgres({ dataFolder, port, durable: false, logFile: logFile('postgres') })),
    redisBinary
      ? freePort().then((port) => startRedis({ binary: redisBinary, port, folder, logFile: logFile('redis') }))
      : undefined,
    bundleForTests(join(folder, 'edge')),
  ])
  await migrateDatabase(postgres.url(firstDatabase))
  return {
    scratchFolder: folder,
    postgres: { serverUrl: postgres.url('postgres'), template: firstDatabase },
    redisUrl: redis?.url ?? null,
    edgeBundle,
    bus: 'pubsub',
    stop: async () => {
      await Promise.all([redis?.stop(), postgres.stop()])
      removePostgresData(dataFolder)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Bundles this checkout's Worker into a folder, as a deployment would. Answers the folder. */
export const bundleForTests = async (folder: string): Promise<string> => {
  await bundleEdge({ project, folder, logFile: `${folder}.log` })
  return folder
}

const lentVariable = 'PERIGEE_TEST_SERVICES'

/** What this run has started, as variables for another that it starts: see `run-mutants.ts`. */
export const lend = (services: Services): Record<string, string> => ({ [lentVariable]: JSON.stringify(services) })

export const borrowed = (): Services | undefined => {
  const text = process.env[lentVariable]
  // It was written by `lend`, of this very checkout.
  return text === undefined ? undefined : (JSON.parse(text) as Services)
}
