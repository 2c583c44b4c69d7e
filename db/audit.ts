import type { PlayerId, TransactionId } from '#contract/ids.ts'
import type { Database } from './client.ts'

/** Two ids, both of them in the range; every player from the one to the other belongs to it. */
export type PlayerRange = { readonly first: PlayerId; readonly last: PlayerId }

/**
 * Where wallet and ledger disagree. Amounts are decimal text: what was tampered with may be no number that JavaScript holds.
 * - `balance`: the wallet states another amount than the sum of its entries.
 * - `chain`: the entries of a currency cannot have followed one another. `balance` is the lowest of the `breaks` balances
 *   that entries have reached and left unequally often.
 * - `entries_missing`: a transaction has no entry.
 * - `transaction_missing`: an entry has no transaction of its player.
 * - `wallet_missing`: a player has entries, and no wallet.
 */
export type Difference = { readonly playerId: PlayerId } & (
  | { readonly difference: 'balance'; readonly currency: string; readonly stated: string; readonly ledger: string }
  | {
      readonly difference: 'chain'
      readonly currency: string
      readonly balance: string
      readonly reached: number
      readonly left: number
      readonly breaks: number
    }
  | { readonly difference: 'entries_missing'; readonly transactionId: TransactionId }
  | {
      readonly difference: 'transaction_missing'
      readonly transactionId: TransactionId
      readonly currency: string
      readonly ledger: string
    }
  | { readonly difference: 'wallet_missing'; readonly currency: string; readonly ledger: string }
)

/** What a range holds, how many differences there are in it, and the first of them by player. */
export type RangeAudit = {
  readonly wallets: number
  readonly entries: number
  readonly transactions: number
  readonly differences: number
  readonly listed: readonly Difference[]
}

/**
 * From player to player: three looks into an index each, whatever the planner knows of the tables. (A `distinct` with a limit
 * would, before the first ANALYZE, read and sort the whole ledger; that is when a restored database is audited.)
 */
const nextRangeStatement = `
  with recursive next as (
    select $1::text collate "C" as player_id, 0 as ord
    union all
    select least(
      (select player_id from wallets where player_id > next.player_id order by player_id limit 1),
      (select player_id from wallet_entries where player_id > next.player_id order by player_id limit 1),
      (select player_id from wallet_transactions where player_id > next.player_id order by player_id limit 1)
    ), ord + 1
    from next where ord < $2 and player_id is not null
  )
  select min(player_id) as first, max(player_id) as last from next where ord > 0`

/**
 * The next `limit` players after an id (after '' from the start) who have a wallet, an entry or a transaction; undefined when
 * there is none. A ledger without its wallets is walked in the same small steps. In the order of `wallets_pkey`, the primary
 * key of `wallet_entries` and `wallet_transactions_player`, which all begin with the player.
 */
export const findNextRange = async (
  database: Database,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<PlayerRange | undefined> => {
  const [row] = await database.statement<{ first: PlayerId | null; last: PlayerId | null }>(nextRangeStatement, [
    after,
    limit,
  ])
  return row?.first && row.last ? { first: row.first, last: row.last } : undefined
}

/**
 * One statement, so one snapshot: whatever is written meanwhile is seen in wallet, transaction and entries, or in none.
 *
 * `w`, `e` and `t` are ranges of `wallets_pkey`, the primary key of `wallet_entries` (player first) and
 * `wallet_transactions_player`. The rest is hashed or sorted on the server, on disk where memory does not do.
 *
 * `breaks`: each entry leaves a balance and reaches another. However they were ordered, every balance is left as often as it
 * is reached, when the start at 0 counts as an arrival and the end at the sum as a departure. The order itself is not looked at:
 * transaction ids are made before the wallet is locked, by the clocks of several processes, so neighbours may stand the other
 * way round. Nor is it shown that the entries are one path and not a path with loops beside it: this takes a walk through a
 * wallet's whole life, for loops that move no balance.
 *
 * Amounts are `numeric` and balances stay JSON, so that no value that was tampered with breaks the statement. What is no
 * object states no balance, which is also how \`moveStatement\` reads it.
 */
const rangeStatement = `
  with w as materialized (
    select player_id, balances from wallets where player_id between $1 and $2
  ), e as materialized (
    select player_id, transaction_id, currency, amount::numeric, balance_after::numeric
    from wallet_entries where player_id between $1 and $2
  ), t as materialized (
    select player_id, transaction_id from wallet_transactions where player_id between $1 and $2
  ), stated as (
    select player_id, key as currency, value as amount
    from w cross join jsonb_each(case jsonb_typeof(balances) when 'object' then balances else '{}' end)
  ), summed as (
    select player_id, currency, sum(amount) as amount from e group by player_id, currency
  ), breaks as (
    select player_id, currency, balance, sum(reached) as reached, sum("left") as "left" from (
      select player_id, currency, balance_after as balance, 1 as reached, 0 as "left" from e
      union all select player_id, currency, balance_after - amount, 0, 1 from e
      union all select player_id, currency, 0, 1, 0 from summed
      union all select player_id, currency, amount, 0, 1 from summed
    ) steps group by player_id, currency, balance having sum(reached) <> sum("left")
  ), differences as (
    select player_id, json_build_object('difference', 'balance', 'playerId', player_id, 'currency', currency,
      'stated', coalesce(stated.amount, '0')::text, 'ledger', coalesce(summed.amount, 0)::text) as difference
    from stated full join summed using (player_id, currency) join w using (player_id)
    where coalesce(stated.amount, '0') <> to_jsonb(coalesce(summed.amount, 0))
    union all
    select player_id, json_build_object('difference', 'chain', 'playerId', player_id, 'currency', currency,
      'balance', balance::text, 'reached', reached, 'left', "left", 'breaks', breaks)
    from (
      select distinct on (player_id, currency) *, count(*) over (partition by player_id, currency) as breaks
      from breaks order by player_id, currency, balance
    ) lowest
    union all
    select player_id, json_build_object('difference', 'entries_missing', 'playerId', player_id,
      'transactionId', transaction_id)
    from t left join e using (player_id, transaction_id) where e.currency is null
    union all
    select player_id, json_build_object('difference', 'transaction_missing', 'playerId', player_id,
      'transactionId', transaction_id, 'currency', currency, 'ledger', amount::text)
    from e left join t using (player_id, transaction_id) where t.transaction_id is null
    union all
    select player_id, json_build_object('difference', 'wallet_missing', 'playerId', player_id, 'currency', currency,
      'ledger', amount::text)
    from summed left join w using (player_id) where w.player_id is null
  )
  select
    (select count(*) from w)::int as wallets,
    (select count(*) from e)::int as entries,
    (select count(*) from t)::int as transactions,
    (select count(*) from differences)::int as differences,
    (select coalesce(json_agg(difference), '[]') from (
      select difference from differences order by player_id, difference::text limit $3) first) as listed`

/** Compares the wallets of a range with their ledger, as of one moment; lists `most` differences and counts them all. */
export const auditRange = async (
  database: Database,
  { first, last, most }: PlayerRange & { readonly most: number },
): Promise<RangeAudit> => {
  const [row] = await database.statement<RangeAudit>(rangeStatement, [first, last, most])
  if (!row) throw new Error('an aggregate returned no row')
  return row
}

/**
 * Ids that part the wallets into equally large pieces, in order, from the planner's histogram (100 pieces by default). Empty
 * until `wallets` was analyzed.
 */
export const listPlayerQuantiles = async (database: Database): Promise<readonly string[]> => {
  const rows = await database.statement<{ bound: string }>(
    `select unnest(histogram_bounds::text::text[]) as bound from pg_stats
    where schemaname = current_schema() and tablename = 'wallets' and attname = 'player_id'`,
    [],
  )
  return rows.map(({ bound }) => bound)
}
