import { eq, sql } from 'drizzle-orm'
import { bigint, check, index, integer, pgTable, text } from 'drizzle-orm/pg-core'
import type { PlayerId, SessionId } from '#contract/ids.ts'
import type { Db, Tx } from './client.ts'
import { id, moment } from './columns.ts'
import { players } from './players.ts'

/** One row a signed-in device. Of the chain of refresh tokens only the newest one's hash and number are kept. */
export const sessions = pgTable(
  'sessions',
  {
    sessionId: id<SessionId>('session_id').primaryKey(),
    playerId: id<PlayerId>('player_id')
      .notNull()
      .references(() => players.playerId),
    /** The player's epoch when the session began; a player whose epoch moved on has ended it. */
    epoch: integer('epoch').notNull(),
    /** Which token of the chain is the newest; the first is 0. */
    generation: integer('generation').notNull(),
    tokenHash: text('token_hash').notNull(),
    /** When the tokens before the newest were first used, ms since 1970, latest first; only those still in their grace. */
    usedAtMs: bigint('used_at_ms', { mode: 'number' }).array().notNull(),
    createdAt: moment('created_at').notNull(),
    expiresAt: moment('expires_at').notNull(),
    revokedAt: moment('revoked_at'),
  },
  (table) => [
    index('sessions_player').on(table.playerId),
    check('sessions_token_hash', sql`char_length(${table.tokenHash}) = 64`),
    check('sessions_used_at', sql`cardinality(${table.usedAtMs}) <= 32`),
  ],
)

export type SessionRow = typeof sessions.$inferSelect

export const insertSession = async (db: Db, session: SessionRow): Promise<void> => {
  await db.insert(sessions).values(session)
}

/** A session with its player's epoch of now, its row locked until the transaction ends; undefined when there is none. */
export const lockSession = async (
  tx: Tx,
  sessionId: SessionId,
): Promise<(SessionRow & { playerEpoch: number }) | undefined> => {
  const [row] = await tx
    .select({ session: sessions, epoch: players.epoch })
    .from(sessions)
    .innerJoin(players, eq(players.playerId, sessions.playerId))
    .where(eq(sessions.sessionId, sessionId))
    .for('no key update', { of: sessions })
  return row && { ...row.session, playerEpoch: row.epoch }
}

export const rotateSession = async (
  tx: Tx,
  sessionId: SessionId,
  next: Pick<SessionRow, 'generation' | 'tokenHash' | 'usedAtMs' | 'expiresAt'>,
): Promise<void> => {
  await tx.update(sessions).set(next).where(eq(sessions.sessionId, sessionId))
}

/** Ends a session and with it its whole chain of tokens. */
export const revokeSession = async (tx: Tx, sessionId: SessionId, now: Date): Promise<void> => {
  await tx.update(sessions).set({ revokedAt: now }).where(eq(sessions.sessionId, sessionId))
}

/**
 * Whether a player's session still stands at the core: by primary key, not revoked, not expired, the epoch unchanged.
 */
export const isSessionLive = async (
  db: Db,
  session: { sessionId: SessionId; playerId: PlayerId; epoch: number; now: Date },
): Promise<boolean> => {
  const rows = await db
    .select({ live: sql`1` })
    .from(sessions)
    .innerJoin(players, eq(players.playerId, sessions.playerId))
    .where(
      sql`${sessions.sessionId} = ${session.sessionId} and ${sessions.playerId} = ${session.playerId} and ${sessions.revokedAt} is null
        and ${sessions.expiresAt} > ${session.now.toISOString()}::timestamptz and ${players.epoch} = ${session.epoch}`,
    )
  return rows.length === 1
}
