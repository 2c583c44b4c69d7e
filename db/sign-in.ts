import type { PlayerId, SessionId } from '#contract/ids.ts'
import type { Database } from './client.ts'
import type { Credential } from './credentials.ts'
import type { OutboxRow } from './outbox.ts'
import type { PlayerRow } from './players.ts'

/** A session as it begins: of its chain of refresh tokens the first one's hash. */
export type FirstSession = {
  readonly sessionId: SessionId
  readonly tokenHash: string
  readonly now: Date
  readonly expiresAt: Date
}

/** A player as a first sign-in makes them. Their wallet and the event have the version of the player. */
export type Registration = {
  readonly playerId: PlayerId
  readonly displayName: string
  readonly version: number
  readonly event: Omit<OutboxRow, 'version' | 'occurredAt' | 'redrivenFor'>
}

/** Timestamps as Postgres writes them, and their zone. */
type PlayerText = Omit<PlayerRow, 'createdAt' | 'updatedAt'> & {
  readonly createdAt: string
  readonly updatedAt: string
}

const playerOf = (row: PlayerText | undefined): PlayerRow | undefined =>
  row && { ...row, createdAt: new Date(row.createdAt), updatedAt: new Date(row.updatedAt) }

const playerColumns = `player_id as "playerId", display_name as "displayName", avatar_url as "avatarUrl", country, language,
  time_zone as "timeZone", metadata, epoch, version, created_at as "createdAt", updated_at as "updatedAt"`

/** Milliseconds since 1970 as what the columns store. */
const momentOf = (parameter: string) => `to_timestamp(${parameter}::bigint / 1000.0)::timestamptz(3)`

/** Inserts a session for the one player of the CTE `p`, if there is one. Parameters 3 to 6 are those of `FirstSession`. */
const insertFirstSession = `insert into sessions
    (session_id, player_id, epoch, generation, token_hash, used_at_ms, created_at, expires_at)
  select $3, player_id, epoch, 0, $4, '{}', ${momentOf('$5')}, ${momentOf('$6')} from p`

const parametersOf = (
  { provider, credentialHash }: Credential,
  { sessionId, tokenHash, now, expiresAt }: FirstSession,
) => [provider, credentialHash, sessionId, tokenHash, now.getTime(), expiresAt.getTime()] as const

/** One row of `credentials` and one of `players`, each by its primary key. */
const signInStatement = `
with p as (
  select p.* from credentials c join players p on p.player_id = c.player_id
  where c.provider = $1 and c.credential_hash = $2
), s as (
  ${insertFirstSession}
)
select ${playerColumns} from p`

/**
 * Starts a session for the player whom a credential belongs to. Undefined, and nothing stored, when the credential is
 * unknown. The session has the epoch of the player that is answered with.
 */
export const signInByCredential = async (
  database: Database,
  credential: Credential,
  session: FirstSession,
): Promise<PlayerRow | undefined> => {
  const [row] = await database.statement<PlayerText>(signInStatement, parametersOf(credential, session))
  return playerOf(row)
}

/** The primary key of `credentials` decides: `on conflict` waits for a claim in flight, up to `lock_timeout`. */
const registerStatement = `
with c as (
  insert into credentials (provider, credential_hash, player_id, created_at) values ($1, $2, $7, ${momentOf('$5')})
  on conflict do nothing returning player_id, created_at
), p as (
  insert into players (player_id, display_name, version, created_at, updated_at)
  select player_id, $8, $9, created_at, created_at from c returning *
), w as (
  insert into wallets (player_id, balances, version) select player_id, '{}', version from p
), s as (
  ${insertFirstSession}
), o as (
  insert into outbox (event_id, aggregate, version, type, data, moved, traceparent, occurred_at)
  select $10, $11, version, $12, $13::text::jsonb, $14::text::jsonb, $15, created_at from p
)
select ${playerColumns} from p`

/**
 * Makes a player with their credential, wallet, first session and event, all or nothing. Undefined, and nothing stored, when
 * the credential is taken; of two calls at once one makes the player, and the other answers after that has committed.
 */
export const registerPlayer = async (
  database: Database,
  credential: Credential,
  { playerId, displayName, version, event, ...session }: Registration & FirstSession,
): Promise<PlayerRow | undefined> => {
  const [row] = await database.statement<PlayerText>(registerStatement, [
    ...parametersOf(credential, session),
    ...[playerId, displayName, version],
    ...[event.eventId, event.aggregate, event.type],
    ...[JSON.stringify(event.data), JSON.stringify(event.moved), event.traceparent],
  ])
  return playerOf(row)
}
