import { eq, sql } from 'drizzle-orm'
import { check, index, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import type { PlayerId } from '#contract/ids.ts'
import type { Db, Tx } from './client.ts'
import { id, moment } from './columns.ts'

/** Which units have seen a variant in a run of an experiment: the first report of each is told, and no other. */
export const exposures = pgTable(
  'exposures',
  {
    experiment: text('experiment').notNull(),
    run: integer('run').notNull(),
    unit: text('unit').notNull(),
    variant: text('variant').notNull(),
    /** Who reported it: with them it goes. */
    playerId: id<PlayerId>('player_id').notNull(),
    exposedAt: moment('exposed_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.experiment, table.run, table.unit] }),
    index('exposures_player').on(table.playerId),
    index('exposures_exposed_at').on(table.exposedAt),
    check('exposures_unit', sql`char_length(${table.unit}) between 1 and 256`),
  ],
)

export type ExposureRow = typeof exposures.$inferSelect

/** Keeps the exposures that are not known, by the primary key, and answers with those. Of two at once one is new. */
export const insertExposures = async (tx: Tx, rows: readonly ExposureRow[]): Promise<ExposureRow[]> =>
  rows.length === 0
    ? []
    : tx
        .insert(exposures)
        .values([...rows])
        .onConflictDoNothing()
        .returning()

/** Makes what one player has reported another's; by the index on the player. */
export const moveExposures = async (
  tx: Tx,
  { from, to }: { readonly from: PlayerId; readonly to: PlayerId },
): Promise<void> => {
  await tx.update(exposures).set({ playerId: to }).where(eq(exposures.playerId, from))
}

export const deleteExposures = async (tx: Tx, playerId: PlayerId): Promise<void> => {
  await tx.delete(exposures).where(eq(exposures.playerId, playerId))
}

/** Deletes exposures from before `before`, at most `limit`, the oldest first; answers how many went. */
export const reapExposures = async (db: Db, options: { before: Date; limit: number }): Promise<number> => {
  const rows = await db.execute(sql`
    delete from exposures where ctid = any(array(
      select ctid from exposures where exposed_at < ${options.before.toISOString()}::timestamptz
      order by exposed_at limit ${options.limit} for update skip locked))
    returning 1`)
  return rows.length
}
