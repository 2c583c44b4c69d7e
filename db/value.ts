import { problemHead } from '#contract/problem.ts'
import { setStatement } from './idempotency.ts'

/** What `moveStatement` takes as the input of one command. */
export type MoveInput = {
  readonly playerId: string
  readonly transactionId: string
  readonly eventId: string
  readonly reason: string
  readonly changes: readonly { readonly currency: string; readonly amount: number }[]
}

/** JSON text of a value in SQL, `to_json` being exact for text. */
const quoted = (expression: string) => `to_json(${expression})::text`

const literal = (text: string) => `'${text.replaceAll("'", "''")}'`

/** The problem document of a refusal: the head that its code fixes, then the members of this command. */
const refusalBody = `
  case f.code
    when 'not_found' then ${literal(problemHead('not_found'))} || ',"requestId":' || ${quoted('n.request_id')} || '}'
    when 'currency_unknown' then ${literal(problemHead('currency_unknown'))} || ',"requestId":' || ${quoted('n.request_id')}
      || ',"currency":' || ${quoted('f.currency')} || '}'
    when 'insufficient_funds' then ${literal(problemHead('insufficient_funds'))} || ',"requestId":' || ${quoted('n.request_id')}
      || ',"currency":' || ${quoted('f.currency')} || ',"balance":' || f.balance || ',"needed":' || -f.amount || '}'
    when 'balance_cap_exceeded' then ${literal(problemHead('balance_cap_exceeded'))} || ',"requestId":' || ${quoted('n.request_id')}
      || ',"currency":' || ${quoted('f.currency')} || ',"balance":' || f.balance || ',"cap":' || f.cap || '}'
  end`

/**
 * Moves value for a set of commands, at most one a player: the only statement that changes a balance.
 *
 * A command happens whole or not at all. It is refused, in the order of its changes, for a currency that is not declared, a
 * balance that would fall below zero, or a grant that would pass the cap. The ledger, its unique reference, the answer and
 * the event are written in the same statement; `wallets` rows are locked in the order of their player ids.
 */
export const moveStatement = setStatement({
  permanent: `
    select i.ord, t.fingerprint, 200::smallint, 'application/json', t.answer, '[]'::jsonb
    from i cross join lateral (
      select * from wallet_transactions t where t.principal = i.principal and t.reference = i.key limit 1) t`,
  lock: `w as materialized (
    select player_id, balances, version from wallets
    where player_id = any(array(select input->>'playerId' from n))
    order by player_id for no key update
  )`,
  decide: `d as materialized (
    select n.ord, x.position, x.currency, x.amount, k.cap, coalesce((w.balances->>x.currency)::bigint, 0) as balance
    from n join w on w.player_id = n.input->>'playerId'
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
      where not exists (select from w where w.player_id = n.input->>'playerId')
    ) faults where code is not null order by ord, position
  ), b as materialized (
    select d.ord, w.balances || jsonb_object_agg(d.currency, d.balance + d.amount) as balances
    from d join n using (ord) join w on w.player_id = n.input->>'playerId'
    group by d.ord, w.balances
  ), r as materialized (
    select n.ord, n.principal, n.key, n.fingerprint, n.traceparent, n.input, n.at, b.balances,
      f.code is null as applied,
      case when f.code is null then 200 when f.code = 'not_found' then 404 when f.code = 'currency_unknown' then 422 else 409 end::smallint as status,
      case when f.code is null then 'application/json' else 'application/problem+json' end as content_type,
      '[]'::jsonb as moved,
      case when f.code is null then
        '{"transactionId":' || ${quoted("n.input->>'transactionId'")} || ',"balances":[' || coalesce((
          select string_agg('{"currency":"' || k.code || '","amount":' || coalesce(b.balances->>k.code, '0') || '}', ',' order by k.code)
          from currencies k), '') || ']}'
      else ${refusalBody} end as body
    from n left join f using (ord) left join b using (ord)
  )`,
  effects: `u as (
    update wallets set balances = a.balances,
      version = greatest(wallets.version + 1, (extract(epoch from a.at) * 1000)::bigint)
    from a where wallets.player_id = a.input->>'playerId'
    returning wallets.player_id, wallets.version
  ), t as (
    insert into wallet_transactions (transaction_id, player_id, principal, reference, fingerprint, reason, answer, created_at)
    select input->>'transactionId', input->>'playerId', principal, key, fingerprint, input->>'reason', body, at from a
  ), e as (
    insert into wallet_entries (player_id, transaction_id, currency, amount, balance_after)
    select a.input->>'playerId', a.input->>'transactionId', d.currency, d.amount, d.balance + d.amount
    from a join d using (ord)
  ), o as (
    insert into outbox (event_id, aggregate, version, type, data, moved, traceparent, occurred_at)
    select a.input->>'eventId', 'wallet:' || u.player_id, u.version, 'perigee.wallet.changed.v1',
      jsonb_build_object(
        'playerId', u.player_id, 'transactionId', a.input->>'transactionId', 'reason', a.input->>'reason',
        'changes', a.input->'changes', 'balances', a.body::jsonb->'balances'),
      '[]', a.traceparent, a.at
    from a join u on u.player_id = a.input->>'playerId'
  )`,
  guard: 'u',
})
