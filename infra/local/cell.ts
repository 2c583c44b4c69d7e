import type { InCells, LocalCell } from './cells.ts'
import { type Collector, reportingTo } from './collector.ts'
import { runCommand } from './command.ts'
import type { RunCoreCommand } from './keys.ts'
import { checkout, inLocalFolder, logFileOf, markCell, postgresFolderOf } from './local-folder.ts'
import { freePort } from './ports.ts'
import { firstDatabase, startPostgres } from './postgres.ts'
import { type Child, startChild, untilReady } from './process.ts'
import { findRedis, startRedis } from './redis.ts'
import { note, step } from './report.ts'
import type { Secrets } from './secrets.ts'
import type { Services } from './services.ts'

/** A migrated database and, where there is one, a Redis: what a cell's core stands on. */
export type CellData = LocalCell & {
  readonly databaseUrl: string
  readonly redisUrl: string | undefined
  /** The database was made by this start. */
  readonly created: boolean
}

/** A cell whose core has an address, at which it may be about to start. */
export type PlacedCell = CellData & { readonly coreUrl: string }

/** What all cells share. */
export type Surroundings = {
  readonly secrets: Secrets
  readonly edgeUrl: string
  readonly upstashUrl: string
  /** `host:port`; undefined where events go from the relay to the consumers directly. */
  readonly pubSubHost: string | undefined
  /** Where all spans go; undefined where nobody asked for them. */
  readonly collector: Collector | undefined
}

const commandMaxMs = 30_000
/** It compiles nothing; what takes time is Node, which reads its sources, beside everything else that starts. */
const readyMaxMs = 30_000
const probeMaxMs = 2_000
/** Nobody reads the metrics of a local stack; they leave as seldom as they do elsewhere. */
const metricsMs = 15_000

export const startCellData = async (services: Services, { cell, near }: LocalCell): Promise<CellData> => {
  const postgres = await step(`Postgres of ${cell}`, async () => {
    markCell(cell)
    const port = await freePort()
    const name = `postgres-${cell}`
    const options = { dataFolder: postgresFolderOf(cell), port, durable: true, logFile: logFileOf(name) }
    const address = `127.0.0.1:${port}`
    return services.start({ name, essential: false, address: () => address }, () => startPostgres(options))
  })
  const databaseUrl = postgres.url(firstDatabase)
  await step(`Schema of ${cell}`, () => runNode('db/migrate.ts', [], { DATABASE_URL: databaseUrl }))
  return { cell, near, databaseUrl, redisUrl: await redisOf(services, cell), created: postgres.created }
}

const redisOf = async (services: Services, cell: string): Promise<string | undefined> => {
  if (process.env.REDIS_URL) {
    note(`Redis of ${cell}: the one that REDIS_URL names`)
    return process.env.REDIS_URL
  }
  const binary = findRedis()
  if (binary === undefined) {
    note(`Redis of ${cell}: none, since PATH has no redis-server or valkey-server; each core process limits for itself`)
    return undefined
  }
  return step(`Redis of ${cell}`, async () => (await startLocalRedis(services, `redis-${cell}`, binary)).url)
}

export const startLocalRedis = async (services: Services, name: string, binary: string) => {
  const options = { binary, port: await freePort(), folder: inLocalFolder('redis', name), logFile: logFileOf(name) }
  return services.start({ name, essential: false, address: ({ url }) => url }, () => startRedis(options))
}

/** Runs the core's commands against a cell. */
export const coreCommands =
  (data: CellData, secrets: Secrets): RunCoreCommand =>
  (file, ...args) =>
    runNode(file, args, { CELL: data.cell, DATABASE_URL: data.databaseUrl, MASTER_KEYS: secrets.masterKeys })

const runNode = (file: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> =>
  runCommand({
    name: [file, ...args.slice(0, 2)].join(' '),
    command: process.execPath,
    args: [file, ...args],
    folder: checkout,
    env: { ...process.env, ...env },
    maxMs: commandMaxMs,
  })

/**
 * Starts a cell's core; resolves when it says that it is ready. The stack outlives it where there are other cells: what
 * they do without it is what one wants to see.
 */
export const startCore = async (
  services: Services,
  own: PlacedCell,
  { cells, around }: { readonly cells: InCells<PlacedCell>; readonly around: Surroundings },
): Promise<void> => {
  const url = own.coreUrl
  const essential = cells.length === 1
  const name = `core-${own.cell}`
  const start = async (): Promise<Child> => {
    const child = await startChild({
      name,
      command: process.execPath,
      args: ['core/main.ts'],
      folder: checkout,
      env: { ...process.env, ...coreEnvironment(own, cells, around) },
      logFile: logFileOf(name),
    })
    await untilReady(child, readyMaxMs, async () => {
      const response = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(probeMaxMs) })
      return response.status === 200
    })
    return child
  }
  await step(`Core of ${own.cell}`, () => services.start({ name, essential, address: () => url }, start))
}

const coreEnvironment = (own: PlacedCell, cells: InCells<PlacedCell>, around: Surroundings): NodeJS.ProcessEnv => ({
  CELL: own.cell,
  CELLS: JSON.stringify(Object.fromEntries(cells.map(({ cell, coreUrl }) => [cell, coreUrl]))),
  CONTROL_CELL: cells[0].cell,
  PORT: new URL(own.coreUrl).port,
  ROLE: 'all',
  DATABASE_URL: own.databaseUrl,
  DATABASE_POOL: '10',
  ...(own.redisUrl === undefined ? {} : { REDIS_URL: own.redisUrl }),
  ...(around.pubSubHost === undefined
    ? { EVENT_BUS: 'direct' }
    : { EVENT_BUS: 'pubsub', PUBSUB_PROJECT: 'perigee-local', PUBSUB_EMULATOR_HOST: around.pubSubHost }),
  UPSTASH_URL: around.upstashUrl,
  UPSTASH_TOKEN: around.secrets.upstashToken,
  MASTER_KEYS: around.secrets.masterKeys,
  EDGE_KEYS: around.secrets.edgeKeys,
  ISSUER: around.edgeUrl,
  ...(around.collector ? reportingTo(around.collector, { intervalMs: metricsMs }) : {}),
})
