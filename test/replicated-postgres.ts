import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { migrateDatabase } from '#db/migrate.ts'
import { freePort } from '#infra/local/ports.ts'
import { firstDatabase, removePostgresData, startPostgres } from '#infra/local/postgres.ts'
import type { PostgresSession } from '#infra/local/postgres-copy.ts'
import { type PostgresReplica, startPostgresReplica } from '#infra/local/postgres-replica.ts'

/** A read replica of a world's database, a streaming standby. */
export type WorldReplica = Pick<PostgresReplica, 'lag' | 'pause' | 'resume' | 'stop'> & {
  /** The world's database on it. */
  readonly url: string
}

export type ReplicatedPostgres = {
  /** The migrated database on the primary. */
  readonly url: string
  readonly replica: WorldReplica
  /** Stops both servers and deletes what they wrote. */
  drop(): Promise<void>
}

/** A migrated primary and its replica. Not the server that all test files share: that one holds their databases, and all are copied. */
export const startReplicatedPostgres = async (): Promise<ReplicatedPostgres> => {
  const folder = await mkdtemp(join(tmpdir(), 'perigee-replica-'))
  const dataFolders = { primary: join(folder, 'primary'), replica: join(folder, 'replica') }
  const logFile = (name: string) => join(folder, `${name}.log`)
  const primary = await startPostgres({
    dataFolder: dataFolders.primary,
    port: await freePort(),
    durable: false,
    logFile: logFile('primary'),
    // A commit that does not wait for the disk is sent to the replica when this writer has been: within 200 ms by default.
    settings: ['wal_writer_delay=10ms'],
  })
  await migrateDatabase(primary.url(firstDatabase))
  const replica = await startPostgresReplica({
    primary,
    dataFolder: dataFolders.replica,
    port: await freePort(),
    logFile: logFile('replica'),
    connect,
  })
  return {
    url: primary.url(firstDatabase),
    replica: { ...replica, url: replica.url(firstDatabase) },
    drop: async () => {
      await replica.stop()
      await primary.stop()
      for (const dataFolder of Object.values(dataFolders)) removePostgresData(dataFolder)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const connect = (url: string): PostgresSession => {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  return { query: async (text) => sql.unsafe(text), end: () => sql.end({ timeout: 0 }) }
}
