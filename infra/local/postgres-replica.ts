import { join } from 'node:path'
import { copyCluster, type PostgresSession, writeClusterFile } from './postgres-copy.ts'
import { type PostgresHome, preparePostgresHome } from './postgres-home.ts'
import { dataOf, startPostgresServer } from './postgres-server.ts'
import type { Child } from './process.ts'

export type PostgresReplicaOptions = {
  /** The running primary, on this machine: its `url` as superuser. */
  readonly primary: { url(database: string): string }
  /** Holds the copy of the cluster; what was in it is replaced. */
  readonly dataFolder: string
  readonly port: number
  readonly logFile: string
  /** Opens one connection that stays the same until it is ended. */
  readonly connect: (url: string) => PostgresSession
}

export type PostgresReplica = Child & {
  readonly port: number
  /** The connection string of a database, with superuser and password; reads only. */
  url(database: string): string
  /** From now on what was committed less than `ms` ago is not shown; 0 ends that. What was shown before stays. */
  lag(ms: number): Promise<void>
  /** Resolves when nothing further is shown, until `resume`; what was shown before stays. */
  pause(): Promise<void>
  resume(): Promise<void>
}

const anyDatabase = 'postgres'
const pausePollMs = 5

/**
 * Starts a streaming standby of a running Postgres: a copy of its files, and from then on its log. Commits are shown as soon as
 * they have arrived. A crash of the machine may break the copy, which is made anew by every start.
 *
 * @throws Error as `startPostgres`, and of the primary that gives no backup
 */
export const startPostgresReplica = async (options: PostgresReplicaOptions): Promise<PostgresReplica> => {
  const { primary, port, dataFolder, logFile, connect } = options
  const home = preparePostgresHome(dataFolder)
  const session = connect(primary.url(anyDatabase))
  let child: Child
  try {
    // The slot keeps the log until the standby streams by itself, and is gone with the session: nothing is left on the primary.
    await session.query(`select pg_create_physical_replication_slot('perigee_copy_${port}', true, true)`)
    await copyCluster(session, { target: dataOf(home), account: home.account })
    followPrimary(home, primary.url(anyDatabase))
    child = await startPostgresServer({ name: 'Postgres replica', home, port, durable: false, logFile, settings: [] })
  } finally {
    await session.end()
  }
  const url = (database: string) => {
    const address = new URL(primary.url(database))
    address.port = String(port)
    return address.href
  }
  const ask = async (work: (session: PostgresSession) => Promise<unknown>) => {
    const asked = connect(url(anyDatabase))
    await work(asked).finally(() => asked.end())
  }
  return {
    ...child,
    port,
    url,
    lag: (ms) => ask((asked) => setLag(asked, ms)),
    pause: () => ask(pauseReplay),
    resume: () => ask((asked) => asked.query('select pg_wal_replay_resume()')),
  }
}

/** In a file, since what stands in a command line is seen by everybody on the machine. */
const followPrimary = (home: PostgresHome, primaryUrl: string): void => {
  const { hostname, port, username, password } = new URL(primaryUrl)
  const conninfo = `host=${hostname} port=${port} user=${username} password=${password}`
  const { account } = home
  const data = dataOf(home)
  writeClusterFile({ file: join(data, 'postgresql.auto.conf'), text: `primary_conninfo = '${conninfo}'\n`, account })
  writeClusterFile({ file: join(data, 'standby.signal'), text: '', account })
}

const setLag = async (session: PostgresSession, ms: number): Promise<void> => {
  await session.query(`alter system set recovery_min_apply_delay = '${ms}ms'`)
  await session.query('select pg_reload_conf()')
}

const pauseReplay = async (session: PostgresSession): Promise<void> => {
  await session.query('select pg_wal_replay_pause()')
  for (;;) {
    const [row] = await session.query('select pg_get_wal_replay_pause_state() as state')
    if (row?.state === 'paused') return
    await new Promise((resolve) => setTimeout(resolve, pausePollMs))
  }
}
