import { and, count, desc, eq, gt, isNull, ne, sql } from 'drizzle-orm'
import { bigint, check, index, integer, jsonb, pgTable, text } from 'drizzle-orm/pg-core'
import type { PlayerId, SessionId } from '#contract/ids.ts'
import type { Db, Tx } from './client.ts'
import { id, moment } from './columns.ts'
import { players } from './players.ts'

/** A key of P-256, as RFC 7517 writes it. */
export type DeviceKey = { readonly kty: 'EC'; readonly crv: 'P-256'; readonly x: string; readonly y: string }

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
    /** The device's public key (a JWK) that each refresh has to be signed with; null for a session that is bound to none. */
    deviceKey: jsonb('device_key').$type<DeviceKey>(),
  },
  (table) => [
    index('sessions_player').on(table.playerId),
    check('sessions_token_hash', sql`char_length(${table.tokenHash}) = 64`),
    check('sessions_used_at', sql`cardinality(${table.usedAtMs}) <= 32`),
  ],
)

export type SessionRow = typeof sessions.$inferSelect

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

/** Whose a session is, whether it stands or not, by the primary key; undefined when there is none. */
export const findSessionOwner = async (db: Db, sessionId: SessionId): Promise<PlayerId | undefined> => {
  const [row] = await db.select({ playerId: sessions.playerId }).from(sessions).where(eq(sessions.sessionId, sessionId))
  return row?.playerId
}

/** The key that a session is bound to, by the primary key; undefined where there is none, or no such session. */
export const findDeviceKey = async (db: Db, sessionId: SessionId): Promise<DeviceKey | undefined> => {
  const [row] = await db
    .select({ deviceKey: sessions.deviceKey })
    .from(sessions)
    .where(eq(sessions.sessionId, sessionId))
  return row?.deviceKey ?? undefined
}

/** A player's sessions that still stand, by the index on the player; the latest first, at most `limit`. */
export const listLiveSessions = async (
  db: Db,
  { playerId, now, limit }: { readonly playerId: PlayerId; readonly now: Date; readonly limit: number },
): Promise<SessionRow[]> => {
  const rows = await db
    .select({ session: sessions })
    .from(sessions)
    .innerJoin(players, and(eq(players.playerId, sessions.playerId), eq(players.epoch, sessions.epoch)))
    .where(and(eq(sessions.playerId, playerId), isNull(sessions.revokedAt), gt(sessions.expiresAt, now)))
    .orderBy(desc(sessions.sessionId))
    .limit(limit)
  return rows.map(({ session }) => session)
}

/** How many of a player's sessions still stand, by the index on the player. */
export const countLiveSessions = async (
  db: Db,
  { playerId, now }: { readonly playerId: PlayerId; readonly now: Date },
): Promise<number> => {
  const [row] = await db
    .select({ sessions: count() })
    .from(sessions)
    .innerJoin(players, and(eq(players.playerId, sessions.playerId), eq(players.epoch, sessions.epoch)))
    .where(and(eq(sessions.playerId, playerId), isNull(sessions.revokedAt), gt(sessions.expiresAt, now)))
  return row?.sessions ?? 0
}

/**
 * Ends all sessions that a player has now, but the one that is `kept`, which must still stand: it is moved to the next epoch.
 * Answers with the epoch of those that begin from now on.
 */
export const endSessionsOf = async (
  tx: Tx,
  { playerId, now, kept }: { readonly playerId: PlayerId; readonly now: Date; readonly kept?: SessionId },
): Promise<number> => {
  const [row] = await tx
    .update(players)
    .set({ epoch: sql`${players.epoch} + 1` })
    .where(eq(players.playerId, playerId))
    .returning({ epoch: players.epoch })
  if (!row) throw new Error('a player whose sessions are to end does not exist')
  const isLive = and(eq(sessions.playerId, playerId), isNull(sessions.revokedAt))
  if (kept)
    await tx
      .update(sessions)
      .set({ epoch: row.epoch })
      .where(and(isLive, eq(sessions.sessionId, kept)))
  await tx
    .update(sessions)
    .set({ revokedAt: now })
    .where(kept ? and(isLive, ne(sessions.sessionId, kept)) : isLive)
  return row.epoch
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

/** What a sweep over the sessions found in one step. */
export type SweptSessions = {
  /** The last id that was looked at; null at the end of the table. */
  readonly last: SessionId | null
  readonly seen: number
  readonly reaped: number
}

/**
 * Looks at the next `limit` sessions after an id, in the order of the primary key, and deletes those that ended or expired before a
 * moment. No index says which those are: it would cost every sign-in and every refresh a write more. Those that another
 * transaction holds are left for the next sweep.
 */
export const sweepSessions = async (
  db: Db,
  { after, before, limit }: { readonly after: SessionId | ''; readonly before: Date; readonly limit: number },
): Promise<SweptSessions> => {
  const [row] = await db.execute<SweptSessions>(sql`
    with page as (
      select session_id, least(revoked_at, expires_at) < ${before.toISOString()}::timestamptz as is_over from sessions
      where session_id > ${after} order by session_id limit ${limit}
    ), held as (
      select s.session_id from sessions s join page using (session_id) where page.is_over for update of s skip locked
    ), gone as (
      delete from sessions s using held where s.session_id = held.session_id returning 1
    )
    select max(session_id) as last, count(*)::int as seen, (select count(*) from gone)::int as reaped from page`)
  if (!row) throw new Error('an aggregate returned no row')
  return row
}
