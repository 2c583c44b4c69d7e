import { sql } from 'drizzle-orm'
import { check, pgTable, smallint } from 'drizzle-orm/pg-core'
import type { Db } from './client.ts'
import { moment } from './columns.ts'

/** The one row that is written on the primary all the time, so that a replica shows by it how far it has come. */
export const heartbeat = pgTable(
  'heartbeat',
  {
    id: smallint('id').primaryKey(),
    beatAt: moment('beat_at').notNull(),
  },
  (table) => [check('heartbeat_one_row', sql`${table.id} = 1`)],
)

const id = 1

/**
 * Sets the beat, by primary key; of two at once the later commit stays. It may go back: were the highest kept, one clock that
 * once ran ahead would make a replica look fresh until every other clock had caught up.
 */
export const setBeat = async (db: Db, beatAt: Date): Promise<void> => {
  await db.insert(heartbeat).values({ id, beatAt }).onConflictDoUpdate({ target: heartbeat.id, set: { beatAt } })
}

/** The beat as this server has it, by the only row; undefined before the first one. */
export const findBeat = async (db: Db): Promise<Date | undefined> => {
  const [row] = await db.select({ beatAt: heartbeat.beatAt }).from(heartbeat)
  return row?.beatAt
}
