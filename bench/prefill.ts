import { createHash } from 'node:crypto'
import postgres from 'postgres'
import { type PlayerId, playerIdSchema, type SessionId, sessionIdSchema } from '#contract/ids.ts'

/** Players with a wallet, a device and a live session each: so many that 128 connections seldom meet at one. */
export const playersCount = 10_000
/** Grants of the past three days, for which claims are kept: indexes of some depth, as where a deployment is in use. */
export const priorGrants = 300_000

/** Ids that SQL can make of a number too. Their time is one of 2024, so that new ones sort after them. */
const idTime = '01hkxyz000'
const idDigits = 16

const idOf = (prefix: string, number: number) => `${prefix}_eu1_${idTime}${String(number).padStart(idDigits, '0')}`

/** `number` from 1 to `playersCount`. */
export const playerIdOf = (number: number): PlayerId => playerIdSchema.parse(idOf('ply', number))
export const sessionIdOf = (number: number): SessionId => sessionIdSchema.parse(idOf('ses', number))
const devicePrefix = 'bench-device-'
export const deviceIdOf = (number: number): string => `${devicePrefix}${number}`
/** The secret of a session's first refresh token. */
export const firstSecretOf = (number: number): string =>
  createHash('sha256').update(`bench ${number}`).digest('base64url')

/** The same id in SQL, of an expression that is a whole number. */
export const idSql = (prefix: string, expression: string): string =>
  `('${prefix}_eu1_${idTime}' || lpad((${expression})::text, ${idDigits}, '0'))`

const sha256Sql = (expression: string) => `sha256(convert_to(${expression}, 'UTF8'))`
const secretSql = `translate(rtrim(encode(${sha256Sql("'bench ' || n")}, 'base64'), '='), '+/', '-_')`

/** A prior grant of 5 to a player; every player has had the same number of them. */
const amount = 5
const playerOfGrant = `n % ${playersCount} + 1`
const grantedAt = `now() - n * interval '800 ms'`

/**
 * Fills an empty, migrated database. `principal` is whose grants the prior ones are. Ends with ANALYZE: a plan for an empty
 * table would be measured otherwise.
 */
export const prefill = async (url: string, principal: string): Promise<void> => {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    await sql.unsafe(`
      insert into players (player_id, display_name, version, created_at, updated_at)
      select ${idSql('ply', 'n')}, 'Player ' || n, 1, now(), now() from generate_series(1, ${playersCount}) n;
      insert into credentials (provider, credential_hash, player_id, created_at)
      select 'device', encode(${sha256Sql(`'device:${devicePrefix}' || n`)}, 'hex'), ${idSql('ply', 'n')}, now()
      from generate_series(1, ${playersCount}) n;
      insert into wallets (player_id, balances, version)
      select ${idSql('ply', 'n')}, '{"coins":${(priorGrants / playersCount) * amount}}', 1 from generate_series(1, ${playersCount}) n;
      insert into sessions (session_id, player_id, epoch, generation, token_hash, used_at_ms, created_at, expires_at)
      select ${idSql('ses', 'n')}, ${idSql('ply', 'n')}, 0, 0, encode(${sha256Sql(secretSql)}, 'hex'), '{}', now(), now() + interval '90 days'
      from generate_series(1, ${playersCount}) n`)
    await sql.unsafe(`
      create temporary table prior as
      select n, gen_random_uuid()::text as key, ${idSql('ply', playerOfGrant)} as player_id, ${idSql('txn', 'n')} as transaction_id,
        encode(${sha256Sql('n::text')}, 'hex') as fingerprint, ${grantedAt} as at,
        (n / ${playersCount} + 1) * ${amount} as balance
      from generate_series(0, ${priorGrants - 1}) n;
      alter table prior add column answer text;
      update prior set answer = '{"transactionId":"' || transaction_id || '","balances":[{"currency":"coins","amount":' || balance || '},{"currency":"gems","amount":0}]}'`)
    await sql.unsafe(`
      insert into idempotency_claims (principal, key, fingerprint, status, content_type, body, moved, created_at)
      select '${principal}', key, fingerprint, 200, 'application/json', answer, '[]', at from prior;
      insert into wallet_transactions (transaction_id, player_id, principal, reference, fingerprint, reason, answer, created_at)
      select transaction_id, player_id, '${principal}', key, fingerprint, 'prior', answer, at from prior;
      insert into wallet_entries (player_id, transaction_id, currency, amount, balance_after)
      select player_id, transaction_id, 'coins', ${amount}, balance from prior;
      drop table prior`)
    await sql.unsafe('vacuum analyze')
    await sql.unsafe('checkpoint')
  } finally {
    await sql.end({ timeout: 5 })
  }
}
