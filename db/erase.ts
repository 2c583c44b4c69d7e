import { and, asc, eq, isNotNull, isNull, lte, sql } from 'drizzle-orm'
import { cellOf, idsOfMoment, type PlayerId } from '#contract/ids.ts'
import type { Db, Tx } from './client.ts'
import { deleteExposures } from './exposures.ts'
import { deleteParticipations } from './participations.ts'
import { entombPlayer, noName, type PlayerRow, players } from './players.ts'
import { sessions } from './sessions.ts'

/**
 * Takes away what is known of a player whose row is locked, and leaves a tombstone. Answers with the version that their row
 * reached.
 */
export const erasePlayer = async (tx: Tx, player: PlayerRow, now: Date): Promise<number> => {
  const { playerId } = player
  const version = await entombPlayer(tx, { playerId, mergedInto: null, now })
  await tx.execute(sql`update wallets set version = -version where player_id = ${playerId} and version > 0`)
  await tx.execute(sql`delete from passwords where credential_hash in (
    select credential_hash from credentials where player_id = ${playerId} and provider = 'email')`)
  await deleteParticipations(tx, playerId)
  await deleteExposures(tx, playerId)
  await forgetPlayer(tx, player)
  return version
}

/**
 * Takes away what is kept about a player beside their row, wallet and what signs them in: sessions, answers that were kept for
 * retries, and words in events. Also of who becomes another: once they are no more, no erasure looks for them.
 */
export const forgetPlayer = async (
  tx: Tx,
  { playerId, createdAt }: Pick<PlayerRow, 'playerId' | 'createdAt'>,
): Promise<void> => {
  await tx.delete(sessions).where(eq(sessions.playerId, playerId))
  await tx.execute(sql`delete from idempotency_claims where principal = ${`player:${playerId}`}`)
  await forgetEvents(tx, playerId, createdAt)
}

/**
 * Takes the name out of the event of the player's creation, be it still here to leave or because it has just left: its id has
 * the moment of the creation, so it is found in a range of the primary key. Letters about the player, or about what they sign
 * in with, go: the table is small.
 */
const forgetEvents = async (tx: Tx, playerId: PlayerId, createdAt: Date): Promise<void> => {
  const { first, last } = idsOfMoment('event', cellOf(playerId), createdAt.getTime())
  const subject = `player:${playerId}`
  await tx.execute(sql`
    update outbox set data = data || ${JSON.stringify({ displayName: noName })}::jsonb
    where event_id between ${first} and ${last} and aggregate = ${subject} and data ? 'displayName'`)
  await tx.execute(sql`
    delete from dead_letters where attributes->>'ce-subject' in (${subject}, ${`exposure:${playerId}`}) or attributes->>'ce-subject' in (
      select 'credential:' || provider || ':' || credential_hash from credentials where player_id = ${playerId})`)
}

/** Players who have asked to be deleted by now and are not, by the index on `delete_at`; the earliest first. */
export const listDue = async (db: Db, { now, limit }: { now: Date; limit: number }): Promise<PlayerId[]> => {
  const rows = await db
    .select({ playerId: players.playerId })
    .from(players)
    .where(and(lte(players.deleteAt, now), isNull(players.deletedAt)))
    .orderBy(asc(players.deleteAt), asc(players.playerId))
    .limit(limit)
  return rows.map(({ playerId }) => playerId)
}

/** Whether a player is due, and locked by this transaction until it ends. False where another one has the row. */
export const lockDue = async (tx: Tx, { playerId, now }: { playerId: PlayerId; now: Date }): Promise<boolean> => {
  const rows = await tx
    .select({ playerId: players.playerId })
    .from(players)
    .where(and(eq(players.playerId, playerId), lte(players.deleteAt, now), isNull(players.deletedAt)))
    .for('no key update', { skipLocked: true })
  return rows.length === 1
}

/** Players who are deleted and whose credentials may not be released yet, by the index on `delete_at`; the earliest first. */
export const listUnreleased = async (db: Db, limit: number): Promise<PlayerId[]> => {
  const rows = await db
    .select({ playerId: players.playerId })
    .from(players)
    .where(and(isNotNull(players.deleteAt), isNotNull(players.deletedAt)))
    .orderBy(asc(players.deleteAt), asc(players.playerId))
    .limit(limit)
  return rows.map(({ playerId }) => playerId)
}

/**
 * Puts down that a deleted player's credentials are released, and takes away what a sign-in that had begun before the deletion
 * has left behind. Called again it changes nothing.
 */
export const finishErasure = async (tx: Tx, playerId: PlayerId): Promise<void> => {
  await tx.delete(sessions).where(eq(sessions.playerId, playerId))
  await tx
    .update(players)
    .set({ deleteAt: null })
    .where(and(eq(players.playerId, playerId), isNotNull(players.deletedAt)))
}
