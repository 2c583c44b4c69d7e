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

/** The key of the advisory lock that one call holds while it runs; `principal` and `key` are column or parameter names. */
const lockKey = (principal: string, key: string) => `hashtextextended(${principal} || ' ' || ${key}, 0)`

/**
 * Takes the key for this transaction, or tells who has it. Never waits: `insert … on conflict` would, behind a call in
 * flight. The lock ends with the transaction, so the claim must be inserted in it. Every later statement of the transaction
 * is cancelled by the server after `timeoutMs`.
 */
export const probeClaim = async (tx: Tx, claim: ClaimKey, timeoutMs: number): Promise<Probe> => {
  const [locked] = await tx.execute<{ free: boolean }>(
    sql`select set_config('statement_timeout', ${String(Math.ceil(timeoutMs))}, true),
      pg_try_advisory_xact_lock(hashtextextended(${claim.principal}::text || ' ' || ${claim.key}::text, 0)) as free`,
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

/** The parts of a set statement that a verb declares; each is SQL over the parts before it. */
export type SetParts = {
  /**
   * `select ord, fingerprint, status, content_type, body, moved`: answers that are kept for ever, for commands of `i`; so
   * that a retry after the claims were reaped finds its answer too.
   */
  readonly permanent: string
  /** CTEs over `n` (the new commands, `input` as jsonb) that lock rows in key order, and read nothing that is not locked. */
  readonly lock: string
  /** CTEs over `n` and the locked rows, the last of them `r`: a row a command, `claimColumns` plus what the effects need. */
  readonly decide: string
  /** CTEs over `a`, the commands that were claimed and not refused. Nothing else may be read from `r`. */
  readonly effects: string
  /** The CTE of `effects` that must touch exactly one row a command, or the statement fails. */
  readonly guard: string
}

/** The columns that `r` owes to the claim and the outcome. */
export const claimColumns = 'ord, principal, key, fingerprint, applied, status, content_type, body, moved, at'

/** What became of one command of a set. `raced` and `busy` ask to be sent again. */
export type SetRow = {
  readonly ord: number
  readonly outcome: 'done' | 'replayed' | 'mismatch' | 'busy' | 'raced'
  readonly status: number | null
  readonly content_type: string | null
  readonly body: string | null
  readonly moved: readonly Moved[] | null
}

/**
 * One statement over a set of commands: find earlier answers, lock, decide, claim with the answer, and let only the claimed
 * have effects. READ COMMITTED; every command gets exactly one row, in order.
 *
 * Parameters: arrays of equal length `principal, key, fingerprint, input (JSON text), request id, traceparent`, then the
 * time as milliseconds. No key and no aggregate may stand in a set twice.
 * @see docs/decisions/0004-writes-as-sets.md
 */
export const setStatement = (parts: SetParts): string => `
with i as materialized (
  select t.*, to_timestamp($7::bigint / 1000.0)::timestamptz(3) as at
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) with ordinality
    as t(principal, key, fingerprint, input_text, request_id, traceparent, ord)
), l as materialized (
  select ord, pg_try_advisory_xact_lock(${lockKey('principal', 'key')}) as free from i order by ord
), p as materialized (
  select distinct on (ord) * from (
    select i.ord, c.fingerprint, c.status, c.content_type, c.body, c.moved
    from i cross join lateral (select * from idempotency_claims c where c.principal = i.principal and c.key = i.key limit 1) c
    union all
    ${parts.permanent}
  ) prior order by ord
), n as materialized (
  select i.*, i.input_text::jsonb as input from i join l using (ord)
  where l.free and not exists (select from p where p.ord = i.ord)
), ${parts.lock}, ${parts.decide}, c as (
  insert into idempotency_claims (principal, key, fingerprint, status, content_type, body, moved, created_at)
  select principal, key, fingerprint, status, content_type, body, moved, at from r order by principal, key
  on conflict do nothing returning principal, key
), a as materialized (
  select r.* from r join c using (principal, key) where r.applied
), ${parts.effects}
select i.ord::int as ord,
  case
    when not l.free then 'busy'
    when p.ord is not null then case when p.fingerprint = i.fingerprint then 'replayed' else 'mismatch' end
    when c.key is null then 'raced'
    else 'done'
  end as outcome,
  coalesce(p.status, r.status) as status,
  coalesce(p.content_type, r.content_type) as content_type,
  coalesce(p.body, r.body) as body,
  coalesce(p.moved, r.moved) as moved,
  1 / (case when (select count(*) from ${parts.guard}) = (select count(*) from a) then 1 else 0 end) as guard
from i join l using (ord) left join p using (ord) left join r using (ord)
  left join c on c.principal = i.principal and c.key = i.key
order by i.ord`
