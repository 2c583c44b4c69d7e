import { moveStatement } from '#db/value.ts'
import { idSql, playersCount } from './prefill.ts'

/** As long as real ones; nobody asks again with these keys. */
const fingerprint = 'f'.repeat(64)
const traceparent = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`

const player = idSql('ply', ':player')

/**
 * A script of one statement. pgbench takes `:name` for a variable, in a literal too; since literals on two lines are one, a
 * colon can end the first of them.
 * @see https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-STRINGS
 */
const script = (statement: string) =>
  `\\set player random(1, ${playersCount})\n${statement.trim().replace(/(?<!:):(?!player\b)(?=\w)/g, ":'\n'")};\n`

const nowMs = '(extract(epoch from clock_timestamp()) * 1000)::bigint'

/**
 * What ids made at `ms` begin with, encoded as the core encodes it: ids in another order would grow indexes at another end,
 * and make one contestant split the pages of the other.
 */
const timeOf = (ms: string) =>
  Array.from(
    { length: 10 },
    (_, digit) => `substr('0123456789abcdefghjkmnpqrstvwxyz', (${ms} >> ${45 - 5 * digit} & 31)::int + 1, 1)`,
  ).join(' || ')

const random = "substr(replace(gen_random_uuid()::text, '-', ''), 1, 16)"

/**
 * Our own statement over a set of one command, in the form that waits for a row: passing over it would count as done what was
 * not. Parameters become expressions, because pgbench has no random text.
 */
export const setOfOne = (principal: string): string => {
  const input = `(select '{"transactionId":"txn_eu1_' || time || ${random} || '","eventId":"evt_eu1_' || time || ${random}
      || '","reason":"bench","changes":[{"currency":"coins","amount":1}]}'
    from (select ${timeOf('ms')} as time from (select ${nowMs} as ms offset 0) m offset 0) t)`
  const parameters: Readonly<Record<string, string>> = {
    $1: `array['${principal}']`,
    $2: 'array[gen_random_uuid()::text]',
    $3: `array['${fingerprint}']`,
    $4: `array[${player}]`,
    $5: `array[${input}]`,
    $6: "array['bench']",
    $7: `array['${traceparent}']`,
    $8: nowMs,
  }
  return script(
    moveStatement.waiting.replace(/\$\d+/g, (name) => {
      const expression = parameters[name]
      if (expression === undefined) throw new Error(`moveStatement has a parameter ${name} that pgbench is not given`)
      return expression
    }),
  )
}

/**
 * The leanest statement that does one grant: the same rows, effects only where the claim was inserted, the cap held, the
 * balance right under contention. It knows no sets, no refusals, no replay and no other currency.
 */
export const lean = (principal: string): string =>
  script(`
with w as materialized (
  select w.player_id, w.balances || jsonb_build_object('coins', w.balance + 1) as balances, w.balance + 1 as balance,
    greatest(w.version + 1, w.ms) as version, ${timeOf('w.ms')} as time, ${random} as tail, gen_random_uuid()::text as key
  from (
    select player_id, balances, version, coalesce((balances->>'coins')::bigint, 0) as balance, ${nowMs} as ms
    from wallets where player_id = ${player} for no key update
  ) w
  where w.balance + 1 <= (select cap from currencies where code = 'coins')
), c as (
  insert into idempotency_claims (principal, key, fingerprint, status, content_type, body, moved, created_at)
  select '${principal}', key, '${fingerprint}', 200, 'application/json',
    '{"transactionId":"txn_eu1_' || time || tail || '","balances":[{"currency":"coins","amount":' || balance || '},{"currency":"gems","amount":' || coalesce(balances->>'gems', '0') || '}]}',
    '[]', now()
  from w on conflict do nothing returning body
), u as (
  update wallets set balances = w.balances, version = w.version from w, c where wallets.player_id = w.player_id
), t as (
  insert into wallet_transactions (transaction_id, player_id, principal, reference, fingerprint, reason, answer, created_at)
  select 'txn_eu1_' || time || tail, player_id, '${principal}', key, '${fingerprint}', 'bench', body, now() from w, c
), e as (
  insert into wallet_entries (player_id, transaction_id, currency, amount, balance_after)
  select player_id, 'txn_eu1_' || time || tail, 'coins', 1, balance from w, c
), o as (
  insert into outbox (event_id, aggregate, version, type, data, moved, traceparent, occurred_at)
  select 'evt_eu1_' || time || ${random}, 'wallet:' || player_id, version, 'perigee.wallet.changed.v1',
    jsonb_build_object('playerId', player_id, 'transactionId', 'txn_eu1_' || time || tail, 'reason', 'bench',
      'changes', '[{"currency":"coins","amount":1}]'::jsonb, 'balances', body::jsonb->'balances'),
    '[]', '${traceparent}', now()
  from w, c
)
select body from c`)
