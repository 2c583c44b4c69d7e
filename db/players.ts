import { and, eq, inArray, isNull, sql } from 'drizzle-orm'
import { bigint, check, index, integer, json, pgTable, text } from 'drizzle-orm/pg-core'
import type { PlayerId } from '#contract/ids.ts'
import type { Db, Tx } from './client.ts'
import { id, moment } from './columns.ts'

export const players = pgTable(
  'players',
  {
    playerId: id<PlayerId>('player_id').primaryKey(),
    displayName: text('display_name').notNull(),
    avatarUrl: text('avatar_url'),
    country: text('country'),
    language: text('language'),
    timeZone: text('time_zone'),
    /** `json`, not `jsonb`: it keeps the text as it was sent, where `jsonb` would write 1e308 out in 309 digits. */
    metadata: json('metadata').$type<Record<string, unknown>>().notNull().default({}),
    /** Raised to end every session of the player at once. */
    epoch: integer('epoch').notNull().default(0),
    version: bigint('version', { mode: 'number' }).notNull(),
    createdAt: moment('created_at').notNull(),
    updatedAt: moment('updated_at').notNull(),
    /** Until when the player may not sign in; a moment that passes, also where a ban is meant for ever. */
    bannedUntil: moment('banned_until'),
    banReason: text('ban_reason'),
    /**
     * When the player is erased, as they have asked for; null once they have changed their mind, or it has happened and their
     * credentials are released.
     */
    deleteAt: moment('delete_at'),
    /** Since when there is no such player. The row stays, without anything personal, so that its version goes on. */
    deletedAt: moment('deleted_at'),
  },
  (table) => [
    index('players_delete_at').on(table.deleteAt).where(sql`delete_at is not null`),
    check('players_ban_reason', sql`char_length(${table.banReason}) between 1 and 256`),
    check('players_display_name', sql`char_length(${table.displayName}) between 1 and 32`),
    check('players_avatar_url', sql`char_length(${table.avatarUrl}) <= 512`),
    check('players_country', sql`char_length(${table.country}) = 2`),
    check('players_language', sql`char_length(${table.language}) <= 35`),
    check('players_time_zone', sql`char_length(${table.timeZone}) <= 64`),
    check('players_metadata', sql`octet_length(${table.metadata}::text) <= 8192`),
  ],
)

export type PlayerRow = typeof players.$inferSelect

/** One player by primary key; undefined when there is none, or none any more. */
export const findPlayer = async (db: Db, playerId: PlayerId): Promise<PlayerRow | undefined> => {
  const row = await findRow(db, playerId)
  return row?.deletedAt ? undefined : row
}

/** A player's row by primary key, also where there is no such player any more; undefined when there never was. */
export const findRow = async (db: Db, playerId: PlayerId): Promise<PlayerRow | undefined> => {
  const [row] = await db.select().from(players).where(eq(players.playerId, playerId))
  return row
}

/** One player, their row locked until the transaction ends; undefined when there is none, or none any more. */
export const lockPlayer = async (tx: Tx, playerId: PlayerId): Promise<PlayerRow | undefined> => {
  const [row] = await tx
    .select()
    .from(players)
    .where(and(eq(players.playerId, playerId), isNull(players.deletedAt)))
    .for('no key update')
  return row
}

/** Changes whether a player may sign in, and answers with the version that their row reached: that of the event about it. */
export const changeStanding = async (
  tx: Tx,
  { playerId, now }: { readonly playerId: PlayerId; readonly now: Date },
  change: Partial<Pick<PlayerRow, 'bannedUntil' | 'banReason' | 'deleteAt'>>,
): Promise<number> => {
  const [row] = await tx
    .update(players)
    .set({ ...change, version: sql`greatest(${players.version} + 1, ${now.getTime()})` })
    .where(eq(players.playerId, playerId))
    .returning({ version: players.version })
  if (!row) throw new Error('a player whose standing is to change does not exist')
  return row.version
}

/**
 * Raises the version of a player whose row is locked by `by` or more, for events about what is kept beside the row, and answers
 * with it: none of the last `by` versions was anything's before. Nobody's copy of the player is the less good for it.
 */
export const advancePlayer = async (
  tx: Tx,
  { playerId, by, now }: { readonly playerId: PlayerId; readonly by: number; readonly now: Date },
): Promise<number> => {
  const [row] = await tx
    .update(players)
    .set({ version: sql`greatest(${players.version} + ${by}::bigint, ${now.getTime()}::bigint)` })
    .where(eq(players.playerId, playerId))
    .returning({ version: players.version })
  if (!row) throw new Error('a player who was locked does not exist')
  return row.version
}

/**
 * Rows of players by their ids, locked until the transaction ends, in the order of ids as every write of several players
 * takes them; whoever never was is missing.
 */
export const lockPlayers = async (tx: Tx, playerIds: readonly PlayerId[]): Promise<Map<PlayerId, PlayerRow>> => {
  const rows = await tx
    .select()
    .from(players)
    .where(inArray(players.playerId, [...playerIds]))
    .orderBy(players.playerId)
    .for('no key update')
  return new Map(rows.map((row) => [row.playerId, row]))
}

/** What stands where there was a name; nobody is shown it. */
export const noName = 'Deleted player'

/**
 * Makes of a player's row what is left of one who is no more: nothing personal, whom they became, if anybody (in the metadata,
 * which nobody is shown any more), and a version that goes on, which is answered. Of who became nobody `delete_at` stays until
 * their credentials are released: by its index the work that is left is found. Sessions and wallet are not looked at.
 */
export const entombPlayer = async (
  tx: Tx,
  {
    playerId,
    mergedInto,
    now,
  }: { readonly playerId: PlayerId; readonly mergedInto: PlayerId | null; readonly now: Date },
): Promise<number> => {
  const [row] = await tx
    .update(players)
    .set({
      ...{ displayName: noName, avatarUrl: null, country: null, language: null, timeZone: null },
      ...{ bannedUntil: null, banReason: null, deletedAt: now, updatedAt: now },
      metadata: mergedInto === null ? {} : { mergedInto },
      deleteAt: mergedInto === null ? sql`coalesce(${players.deleteAt}, ${now.toISOString()}::timestamptz)` : null,
      version: sql`greatest(${players.version} + 1, ${now.getTime()}::bigint)`,
    })
    .where(eq(players.playerId, playerId))
    .returning({ version: players.version })
  if (!row) throw new Error('a player who is to be no more never was')
  return row.version
}

/**
 * Whom a player has become, over however many merges, each by the primary key; undefined where that is nobody any more, or
 * nothing has become of them. No merge leads back: who is no more is merged into by nobody.
 */
export const findSuccessor = async (db: Db, playerId: PlayerId): Promise<PlayerId | undefined> => {
  const rows = await db.execute<{ playerId: PlayerId }>(sql`
    with recursive became as (
      select player_id, deleted_at, metadata->>'mergedInto' as next from players
      where player_id = ${playerId} and deleted_at is not null
      union all
      select p.player_id, p.deleted_at, p.metadata->>'mergedInto' from became join players p on p.player_id = became.next
      where became.deleted_at is not null
    )
    select player_id as "playerId" from became where deleted_at is null`)
  return rows[0]?.playerId
}

/** Whether one player has become another, over however many merges, be it that the other is no more either. As `findSuccessor`. */
export const hasBecome = async (
  db: Db,
  { from, to }: { readonly from: PlayerId; readonly to: PlayerId },
): Promise<boolean> => {
  const rows = await db.execute(sql`
    with recursive became as (
      select metadata->>'mergedInto' as next from players where player_id = ${from} and deleted_at is not null
      union all
      select p.metadata->>'mergedInto' from became join players p on p.player_id = became.next
      where p.deleted_at is not null
    )
    select from became where next = ${to}`)
  return rows.length > 0
}
