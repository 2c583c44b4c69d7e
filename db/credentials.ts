import { sql } from 'drizzle-orm'
import { bigint, check, index, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import type { PlayerId } from '#contract/ids.ts'
import { id, moment } from './columns.ts'

/**
 * The directory: what signs a player in -> the player, of whichever cell. The control cell's rows decide; those of the other
 * cells follow. The credential itself is not stored.
 */
export const credentials = pgTable(
  'credentials',
  {
    /** `device`, `email`, or the name of an issuer of ID tokens. */
    provider: text('provider').notNull(),
    credentialHash: text('credential_hash').notNull(),
    /** Null for one that was given up; the row stays, so that its version goes on. */
    playerId: id<PlayerId>('player_id'),
    /** Which of two states of a credential is the newer one, whatever order they arrive in. */
    version: bigint('version', { mode: 'number' }).notNull().default(0),
    createdAt: moment('created_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.provider, table.credentialHash] }),
    index('credentials_player').on(table.playerId).where(sql`player_id is not null`),
    check('credentials_provider', sql`char_length(${table.provider}) <= 32`),
  ],
)

/** The passwords of addresses, in the home cell of their players alone. */
export const passwords = pgTable('passwords', {
  /** Of the address, as in `credentials`. */
  credentialHash: text('credential_hash').primaryKey(),
  /** What a password is checked against, a PHC string. */
  verifier: text('verifier').notNull(),
  changedAt: moment('changed_at').notNull(),
})

export type CredentialRow = typeof credentials.$inferSelect
export type Credential = { readonly provider: string; readonly credentialHash: string }
