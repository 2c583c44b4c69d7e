import postgres from 'postgres'
import type { Counters } from './measure.ts'

/** Round trips to Postgres, as it counts them. */
export type PostgresCounters = Counters & {
  /** Ends the clients' connections too: a backend reports its transactions once a second, and at its end. */
  end(): Promise<{ readonly statements: number; readonly transactions: number }>
  close(): Promise<void>
}

const goneMaxMs = 5_000
const pollMs = 20

/**
 * Counts statements and transactions of `database`, whoever sends them. Asks from the database `postgres`, so that it does
 * not count itself. Needs pg_stat_statements to be preloaded.
 */
export const openCounters = async (serverUrl: string, database: string): Promise<PostgresCounters> => {
  const sql = postgres(serverUrl, { max: 1, onnotice: () => {} })
  await sql`create extension if not exists pg_stat_statements`
  const transactions = async (): Promise<number> => {
    const [row] = await sql<{ count: string }[]>`
      select xact_commit + xact_rollback as count from pg_stat_database where datname = ${database}`
    return Number(row?.count)
  }
  let before = 0

  const untilAlone = async () => {
    const lastMs = Date.now() + goneMaxMs
    const others = () => sql`
      select pg_terminate_backend(pid) from pg_stat_activity where datname = ${database} and backend_type = 'client backend'`
    while ((await others()).length > 0) {
      if (Date.now() > lastMs) throw new Error(`connections to ${database} did not end`)
      await new Promise((resolve) => setTimeout(resolve, pollMs))
    }
  }

  return {
    begin: async () => {
      await sql`select pg_stat_statements_reset(0, (select oid from pg_database where datname = ${database}), 0)`
      before = await transactions()
    },
    end: async () => {
      await untilAlone()
      const [row] = await sql<{ calls: string }[]>`
        select coalesce(sum(calls), 0) as calls from pg_stat_statements
        where dbid = (select oid from pg_database where datname = ${database})`
      return { statements: Number(row?.calls), transactions: (await transactions()) - before }
    },
    close: () => sql.end({ timeout: 1 }),
  }
}
