import { and, eq, gt, inArray, sql } from 'drizzle-orm'
import type { PlayerId, TransactionId } from '#contract/ids.ts'
import type { Db, Tx } from './client.ts'
import { quoted, type Refused, refusal, setStatement } from './set-statement.ts'
import { walletEntries, wallets, walletTransactions } from './wallet.ts'

/** What `moveStatement` takes as the input of one command; its aggregate is the player's id. */
export type MoveInput = {
  readonly transactionId: string
  readonly eventId: string
  readonly reason: string
  readonly changes: readonly { readonly currency: string; readonly amount: number }[]
  /** What it is known by for ever instead of its key: it takes effect once, whatever the key and the request. */
  readonly reference?: string | undefined
  /** Absent where nothing is against it. */
  readonly refused?: Refused | undefined
}

const refusalBody = `
  case f.code
    when 'not_found' then ${refusal('not_found')}
    when 'currency_unknown' then ${refusal('currency_unknown', { currency: quoted('f.currency') })}
    when 'insufficient_funds' then ${refusal('insufficient_funds', {
      currency: quoted('f.currency'),
      balance: 'f.balance',
      needed: '-f.amount',
    })}
    when 'balance_cap_exceeded' then ${refusal('balance_cap_exceeded', {
      currency: quoted('f.currency'),
      balance: 'f.balance',
      cap: 'f.cap',
    })}
  end`

/** The reference that a command of `i` has of its own; null for one that is known by its key. */
const ownReference = `i.input_text::json->>'reference'`

/**
 * Moves value for a set of commands, at most one a player. Nothing but this and `writeBalances` changes a balance.
 *
 * A command happens whole or not at all. It is refused, in the order of its changes, for a currency that is not declared, a
 * balance that would fall below zero, or a grant that would pass the cap. The ledger, its unique reference, the answer and
 * the event are written in the same statement.
 *
 * A command that names a reference is answered as the first that has moved value under it, be it by another key; a refusal
 * leaves the reference free.
 *
 * The wallet of an erased player is as good as none. Its own row says so, which is locked: a grant that has waited for the
 * erasure finds it closed, and one that came first is in the ledger.
 */
export const moveStatement = setStatement({
  name: 'wallet-transactions',
  rows: { table: 'wallets', key: 'player_id' },
  permanent: `
    select i.ord, case when own.reference is null then t.fingerprint else i.fingerprint end, 200::smallint,
      'application/json', t.answer, '[]'::jsonb
    from i cross join lateral (select ${ownReference} as reference) own cross join lateral (
      select * from wallet_transactions t
      where t.principal = i.principal and t.reference = coalesce(own.reference, i.key) limit 1) t`,
  known: `q.input ? 'reference'`,
  decide: `d as materialized (
    select n.ord, x.position, x.currency, x.amount, k.cap, coalesce((w.balances->>x.currency)::bigint, 0) as balance
    from n join w on w.player_id = n.aggregate and w.version > 0
    cross join lateral rows from (jsonb_to_recordset(n.input->'changes') as (currency text, amount bigint))
      with ordinality x(currency, amount, position)
    left join currencies k on k.code = x.currency
  ), f as materialized (
    select distinct on (ord) ord, code, currency, amount, balance, cap from (
      select d.*, case
        when cap is null then 'currency_unknown'
        when balance + amount < 0 then 'insufficient_funds'
        when amount > 0 and balance + amount > cap then 'balance_cap_exceeded'
      end as code from d
      union all
      select n.ord, 0, null, null, null, null, 'not_found' from n
      where not exists (select from w where w.player_id = n.aggregate and w.version > 0)
      union all
      select n.ord, -1, null, null, null, null, n.input->'refused'->>'code' from n
    ) faults where code is not null order by ord, position
  ), b as materialized (
    select d.ord, w.balances || jsonb_object_agg(d.currency, d.balance + d.amount) as balances,
      greatest(w.version + 1, (extract(epoch from n.at) * 1000)::bigint) as version
    from d join n using (ord) join w on w.player_id = n.aggregate
    group by d.ord, w.balances, w.version, n.at
  ), r as materialized (
    select n.ord, n.principal, n.key, n.fingerprint, n.traceparent, n.at, n.aggregate, n.input, b.balances, f.code,
      case when f.code is null
        then '{"transactionId":' || ${quoted("n.input->>'transactionId'")} || ',"balances":' || shown.balances || '}'
        else coalesce(n.input->'refused'->>'body', ${refusalBody})
      end as body,
      '[]'::jsonb as moved,
      b.version, n.input->>'eventId' as event_id, 'wallet:' || n.aggregate as event_aggregate,
      'perigee.wallet.changed.v1' as event_type,
      jsonb_build_object('playerId', n.aggregate, 'transactionId', n.input->>'transactionId',
        'reason', n.input->>'reason', 'changes', n.input->'changes', 'balances', shown.balances::jsonb) as event_data
    from n left join f using (ord) left join b using (ord) cross join lateral (
      select '[' || coalesce(string_agg(
        '{"currency":"' || k.code || '","amount":' || coalesce(b.balances->>k.code, '0') || '}', ',' order by k.code), '') || ']'
        as balances
      from currencies k) shown
  )`,
  effects: `u as (
    update wallets set balances = a.balances, version = a.version from a where wallets.player_id = a.aggregate
    returning wallets.player_id
  ), t as (
    insert into wallet_transactions (transaction_id, player_id, principal, reference, fingerprint, reason, answer, created_at)
    select input->>'transactionId', aggregate, principal, coalesce(input->>'reference', key), fingerprint, input->>'reason', body, at from a
  ), e as (
    insert into wallet_entries (player_id, transaction_id, currency, amount, balance_after)
    select a.aggregate, a.input->>'transactionId', d.currency, d.amount, d.balance + d.amount
    from a join d using (ord)
  )`,
  guard: 'u',
})

/** When transactions of these references of a principal took effect, by the unique index; what never did is missing. */
export const findReferences = async (
  db: Db,
  { principal, references }: { readonly principal: string; readonly references: readonly string[] },
): Promise<Map<string, Date>> => {
  const rows = await db
    .select({ reference: walletTransactions.reference, createdAt: walletTransactions.createdAt })
    .from(walletTransactions)
    .where(and(eq(walletTransactions.principal, principal), inArray(walletTransactions.reference, [...references])))
  return new Map(rows.map(({ reference, createdAt }) => [reference, createdAt]))
}

export type WalletRow = typeof wallets.$inferSelect

/** Wallets by their players, locked until the transaction ends, in the order of ids; who has none, or a closed one, is missing. */
export const lockWallets = async (tx: Tx, playerIds: readonly PlayerId[]): Promise<Map<PlayerId, WalletRow>> => {
  const rows = await tx
    .select()
    .from(wallets)
    .where(and(inArray(wallets.playerId, [...playerIds]), gt(wallets.version, 0)))
    .orderBy(wallets.playerId)
    .for('no key update')
  return new Map(rows.map((row) => [row.playerId, row]))
}

/** One side of a transfer between two wallets. */
export type Leg = {
  readonly playerId: PlayerId
  readonly transactionId: TransactionId
  readonly principal: string
  /** The transaction of the other side: the two name each other. */
  readonly reference: TransactionId
  readonly reason: string
  /** As `moveStatement` answers. */
  readonly answer: string
  readonly now: Date
  readonly entries: readonly { readonly currency: string; readonly amount: number; readonly balanceAfter: number }[]
}

/** Writes the sides of a transfer into the ledger. Their wallets are locked, and are written by `writeBalances`. */
export const writeLegs = async (tx: Tx, legs: readonly Leg[]): Promise<void> => {
  // No fingerprint: there is no request that one of these would be the answer to again.
  await tx
    .insert(walletTransactions)
    .values(legs.map(({ entries, now, ...leg }) => ({ ...leg, fingerprint: '', createdAt: now })))
  await tx
    .insert(walletEntries)
    .values(
      legs.flatMap(({ entries, playerId, transactionId }) =>
        entries.map((entry) => ({ playerId, transactionId, ...entry })),
      ),
    )
}

/**
 * Writes what a locked wallet holds, and answers with the version that it reached. A wallet that is closed keeps that number
 * below zero, in the row that every change of it locks: a grant that has waited for this finds it closed.
 */
export const writeBalances = async (
  tx: Tx,
  {
    playerId,
    balances,
    closes,
    now,
  }: Pick<WalletRow, 'playerId' | 'balances'> & { readonly closes: boolean; readonly now: Date },
): Promise<number> => {
  const reached = sql`greatest(${wallets.version} + 1, ${now.getTime()}::bigint)`
  const [row] = await tx
    .update(wallets)
    .set({ balances, version: closes ? sql`-${reached}` : reached })
    .where(eq(wallets.playerId, playerId))
    .returning({ version: wallets.version })
  if (!row) throw new Error('a wallet that was locked is gone')
  return Math.abs(row.version)
}
