import { and, desc, eq, sql } from 'drizzle-orm'
import { check, index, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import type { PlayerId } from '#contract/ids.ts'
import type { Db, Tx } from './client.ts'
import { id, moment } from './columns.ts'

/** Which runs of live events a player has joined. A row is made once and stays as it is. */
export const participations = pgTable(
  'participations',
  {
    playerId: id<PlayerId>('player_id').notNull(),
    runId: text('run_id').notNull(),
    joinedAt: moment('joined_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.playerId, table.runId] }),
    index('participations_joined_at').on(table.joinedAt),
    check('participations_run_id', sql`char_length(${table.runId}) <= 81`),
  ],
)

export type ParticipationRow = typeof participations.$inferSelect

/** Whether a player is in a run, by the primary key. */
export const hasJoined = async (
  db: Db,
  { playerId, runId }: Pick<ParticipationRow, 'playerId' | 'runId'>,
): Promise<boolean> => {
  const rows = await db
    .select({ runId: participations.runId })
    .from(participations)
    .where(and(eq(participations.playerId, playerId), eq(participations.runId, runId)))
  return rows.length > 0
}

/** When a player has joined runs, by their ids, the latest first; by the first part of the primary key. */
export const listParticipations = async (
  db: Db,
  { playerId, limit }: { readonly playerId: PlayerId; readonly limit: number },
): Promise<Map<string, Date>> => {
  const rows = await db
    .select({ runId: participations.runId, joinedAt: participations.joinedAt })
    .from(participations)
    .where(eq(participations.playerId, playerId))
    .orderBy(desc(participations.joinedAt), participations.runId)
    .limit(limit)
  return new Map(rows.map(({ runId, joinedAt }) => [runId, joinedAt]))
}

/**
 * Makes what one player has joined another's, whose row is locked; where both are in a run, the other keeps their own. Answers
 * whether there was anything.
 */
export const moveParticipations = async (
  tx: Tx,
  { from, to }: { readonly from: PlayerId; readonly to: PlayerId },
): Promise<boolean> => {
  const rows = await tx.execute(sql`
    with gone as (delete from participations where player_id = ${from} returning run_id, joined_at), moved as (
      insert into participations (player_id, run_id, joined_at) select ${to}, run_id, joined_at from gone
      on conflict do nothing)
    select from gone`)
  return rows.length > 0
}

export const deleteParticipations = async (tx: Tx, playerId: PlayerId): Promise<void> => {
  await tx.delete(participations).where(eq(participations.playerId, playerId))
}

/** Deletes rows of who joined before `before`, at most `limit`, the oldest first; answers how many went. */
export const reapParticipations = async (db: Db, options: { before: Date; limit: number }): Promise<number> => {
  const rows = await db.execute(sql`
    delete from participations where ctid = any(array(
      select ctid from participations where joined_at < ${options.before.toISOString()}::timestamptz
      order by joined_at limit ${options.limit} for update skip locked))
    returning 1`)
  return rows.length
}
