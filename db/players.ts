import { eq, sql } from 'drizzle-orm'
import { bigint, check, integer, json, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import type { PlayerId } from '#contract/ids.ts'
import type { Db } from './client.ts'
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
  },
  (table) => [
    check('players_display_name', sql`char_length(${table.displayName}) between 1 and 32`),
    check('players_avatar_url', sql`char_length(${table.avatarUrl}) <= 512`),
    check('players_country', sql`char_length(${table.country}) = 2`),
    check('players_language', sql`char_length(${table.language}) <= 35`),
    check('players_time_zone', sql`char_length(${table.timeZone}) <= 64`),
    check('players_metadata', sql`octet_length(${table.metadata}::text) <= 8192`),
  ],
)

/** What signs a player in: the hash of a credential -> the player. The credential itself is not stored. */
export const credentials = pgTable(
  'credentials',
  {
    provider: text('provider').notNull(),
    credentialHash: text('credential_hash').notNull(),
    playerId: id<PlayerId>('player_id')
      .notNull()
      .references(() => players.playerId),
    createdAt: moment('created_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.provider, table.credentialHash] })],
)

export type PlayerRow = typeof players.$inferSelect
export type Credential = { readonly provider: string; readonly credentialHash: string }

/** One player by primary key; undefined when there is none. */
export const findPlayer = async (db: Db, playerId: PlayerId): Promise<PlayerRow | undefined> => {
  const [row] = await db.select().from(players).where(eq(players.playerId, playerId))
  return row
}
