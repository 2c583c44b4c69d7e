import { sql } from 'drizzle-orm'
import type { Db } from './client.ts'

/** How many connections a server takes, as it says itself. */
export type ConnectionLimits = {
  /** `max_connections` */
  readonly connectionsMax: number
  /** What of that is kept for others than us: `superuser_reserved_connections` and, from Postgres 16 on, `reserved_connections`. */
  readonly reserved: number
}

/** Reads settings, no table. @throws the server's error when it does not answer */
export const readConnectionLimits = async (db: Db): Promise<ConnectionLimits> => {
  const [row] = await db.execute<{ connections_max: number; reserved: number }>(sql`
    select current_setting('max_connections')::int as connections_max,
      current_setting('superuser_reserved_connections')::int
        + coalesce(current_setting('reserved_connections', true)::int, 0) as reserved`)
  if (!row) throw new Error('a select without a table has one row')
  return { connectionsMax: row.connections_max, reserved: row.reserved }
}
