import { gt, sql } from 'drizzle-orm'
import { index, integer, pgTable, primaryKey } from 'drizzle-orm/pg-core'
import type { PlayerId, SessionId } from '#contract/ids.ts'
import type { Db, Tx } from './client.ts'
import { id, moment } from './columns.ts'

/**
 * What edges must know of access tokens that are still good by themselves: a session that ended, or a player whose older
 * sessions have. A row is of no use once every such token has expired.
 */
export const revocations = pgTable(
  'revocations',
  {
    revokedId: id<SessionId | PlayerId>('revoked_id').notNull(),
    /** Of a player: tokens of an earlier epoch are revoked. 0 for a session. */
    epoch: integer('epoch').notNull(),
    revokedAt: moment('revoked_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.revokedId, table.epoch] }),
    index('revocations_revoked_at').on(table.revokedAt),
  ],
)

export type RevocationRow = typeof revocations.$inferSelect

/** Idempotent: what was revoked before stays so, from its first time. */
export const insertRevocation = async (tx: Tx, revocation: RevocationRow): Promise<void> => {
  await tx.insert(revocations).values(revocation).onConflictDoNothing()
}

/** Everything that was revoked after a moment, by the index on it; the earliest first. */
export const listRevocations = (db: Db, after: Date): Promise<RevocationRow[]> =>
  db
    .select()
    .from(revocations)
    .where(gt(revocations.revokedAt, after))
    .orderBy(revocations.revokedAt, revocations.revokedId)

/** Deletes what was revoked before a moment, at most `limit`, oldest first; answers how many went. */
export const reapRevocations = async (db: Db, options: { before: Date; limit: number }): Promise<number> => {
  const rows = await db.execute(sql`
    delete from revocations where ctid = any(array(
      select ctid from revocations where revoked_at < ${options.before.toISOString()}::timestamptz
      order by revoked_at limit ${options.limit} for update skip locked))
    returning 1`)
  return rows.length
}
