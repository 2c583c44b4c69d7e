import { sql } from 'drizzle-orm'
import { check, index, jsonb, pgTable, primaryKey, smallint, text } from 'drizzle-orm/pg-core'
import type { Moved } from '#contract/events.ts'
import type { Db, Tx } from './client.ts'
import { moment } from './columns.ts'

/** One row a write that was answered: the answer, byte for byte, under the key that its caller chose. */
export const claims = pgTable(
  'idempotency_claims',
  {
    principal: text('principal').notNull(),
    key: text('key').notNull(),
    /** SHA-256 of method, path and raw body, hex. */
    fingerprint: text('fingerprint').notNull(),
    status: smallint('status').notNull(),
    contentType: text('content_type').notNull(),
    body: text('body').notNull(),
    moved: jsonb('moved').$type<readonly Moved[]>().notNull(),
    createdAt: moment('created_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.principal, table.key] }),
    index('idempotency_claims_created').on(table.createdAt),
    check('idempotency_claims_key', sql`char_length(${table.key}) between 1 and 255`),
  ],
)

export type ClaimRow = typeof claims.$inferSelect
export type ClaimKey = Pick<ClaimRow, 'principal' | 'key'>

/** What a statement found under a key: the claim of an earlier call, a call that still runs, or nothing. */
export type Probe =
  | { readonly kind: 'claimed'; readonly claim: ClaimRow }
  | { readonly kind: 'busy' }
  | { readonly kind: 'free' }

/** The key of the advisory lock that one call holds while it runs; `principal` and `key` are SQL expressions. */
export const claimLockKey = (principal: string, key: string) => `hashtextextended(${principal} || ' ' || ${key}, 0)`

/**
 * Takes the key for this transaction, or tells who has it. Never waits: `insert … on conflict` would, behind a call in
 * flight. The lock ends with the transaction, so the claim must be inserted in it.
 */
export const probeClaim = async (tx: Tx, claim: ClaimKey): Promise<Probe> => {
  const [locked] = await tx.execute<{ free: boolean }>(
    sql`select pg_try_advisory_xact_lock(hashtextextended(${claim.principal}::text || ' ' || ${claim.key}::text, 0)) as free`,
  )
  if (!locked?.free) return { kind: 'busy' }
  // A statement of its own: its snapshot is taken after the lock was had, so it sees what the last holder committed.
  const [row] = await tx
    .select()
    .from(claims)
    .where(sql`${claims.principal} = ${claim.principal} and ${claims.key} = ${claim.key}`)
  return row ? { kind: 'claimed', claim: row } : { kind: 'free' }
}

export const insertClaim = async (tx: Tx, claim: ClaimRow): Promise<void> => {
  await tx.insert(claims).values(claim)
}

/**
 * Deletes claims older than `before`, at most `limit` of them, oldest first, by the index on `created_at`. Rows that
 * another reaper holds are passed over. Answers how many went.
 */
export const reapClaims = async (db: Db, options: { before: Date; limit: number }): Promise<number> => {
  const rows = await db.execute(sql`
    delete from idempotency_claims where ctid = any(array(
      select ctid from idempotency_claims where created_at < ${options.before.toISOString()}::timestamptz
      order by created_at limit ${options.limit} for update skip locked))
    returning 1`)
  return rows.length
}
