import { join } from 'node:path'
import type { PostgresHome } from './postgres-home.ts'
import { readLock, removeStaleLock } from './postgres-lock.ts'
import { type Child, startChild, untilReady } from './process.ts'

export type PostgresServerOptions = {
  /** What people call it, in errors and reports. */
  readonly name: string
  readonly home: PostgresHome
  readonly port: number
  /** False for what may be lost or broken by a crash of the machine (not of Postgres). */
  readonly durable: boolean
  readonly logFile: string
  /** Further settings of the server, `name=value`. */
  readonly settings: readonly string[]
}

/** Core, relay, migrations and the pools of test files that run side by side. A standby needs as many as its primary. */
const connectionsMax = 200
/** Recovery after a kill, and that of a standby, reads the log that was written since the last checkpoint. */
const readyMaxMs = 60_000

const notDurable = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off']

/** The cluster itself. */
export const dataOf = (home: PostgresHome): string => join(home.folder, 'data')

/**
 * Starts Postgres on 127.0.0.1, on the cluster that stands in `home`; resolves when it takes connections.
 * @throws Error with the end of the log, when it does not start; and when a Postgres already runs on the same data
 */
export const startPostgresServer = async (options: PostgresServerOptions): Promise<Child> => {
  const { name, home, port, durable, logFile } = options
  const data = dataOf(home)
  await removeStaleLock(data)
  const settings = [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    // TCP only: a socket file needs a folder whose path is short enough and that both accounts can enter.
    'unix_socket_directories=',
    `max_connections=${connectionsMax}`,
    ...(durable ? [] : notDurable),
    ...options.settings,
  ]
  const child = await startChild({
    name,
    command: join(home.native, 'bin', 'postgres'),
    args: ['-D', data, ...settings.flatMap((setting) => ['-c', setting])],
    env: postgresEnvironment(home),
    folder: home.folder,
    logFile,
    // "Fast" shutdown: SIGTERM would wait until every client has left of its own accord.
    stopSignal: 'SIGINT',
    ...(home.account ? { account: home.account } : {}),
  })
  await untilReady(child, readyMaxMs, async () => {
    const lock = readLock(data)
    return lock?.pid === child.pid && lock.ready
  })
  return child
}

/** What the programs of Postgres see of ours. */
export const postgresEnvironment = (home: PostgresHome): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  // Some of the shipped libraries name each other without a path.
  LD_LIBRARY_PATH: join(home.native, 'lib'),
  TZ: 'UTC',
})
