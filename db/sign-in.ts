import type { PlayerId, SessionId } from '#contract/ids.ts'
import type { Database } from './client.ts'
import { momentOf } from './columns.ts'
import { type Credential, type EventOrigin, takeCredential, tellOthers } from './credentials.ts'
import type { OutboxRow } from './outbox.ts'
import type { PlayerRow } from './players.ts'
import type { DeviceKey } from './sessions.ts'

/** A session as it begins: of its chain of refresh tokens the first one's hash. */
export type FirstSession = {
  readonly sessionId: SessionId
  readonly tokenHash: string
  readonly now: Date
  readonly expiresAt: Date
  readonly deviceKey: DeviceKey | null
}

/** A player as a first sign-in makes them. Their wallet and the event have the version of the player. */
export type Registration = {
  readonly playerId: PlayerId
  readonly displayName: string
  readonly version: number
  readonly event: Omit<OutboxRow, 'version' | 'occurredAt' | 'redrivenFor'>
}

/** Timestamps as Postgres writes them, and their zone. */
type PlayerText = {
  readonly [Column in keyof PlayerRow]: PlayerRow[Column] extends Date
    ? string
    : PlayerRow[Column] extends Date | null
      ? string | null
      : PlayerRow[Column]
}

const dateOf = (text: string | null) => (text === null ? null : new Date(text))

const playerOf = (row: PlayerText): PlayerRow => ({
  ...row,
  createdAt: new Date(row.createdAt),
  updatedAt: new Date(row.updatedAt),
  bannedUntil: dateOf(row.bannedUntil),
  deleteAt: dateOf(row.deleteAt),
  deletedAt: dateOf(row.deletedAt),
})

const playerColumns = `p.player_id as "playerId", display_name as "displayName", avatar_url as "avatarUrl", country, language,
  time_zone as "timeZone", metadata, epoch, version, created_at as "createdAt", updated_at as "updatedAt",
  banned_until as "bannedUntil", ban_reason as "banReason", delete_at as "deleteAt", deleted_at as "deletedAt"`

/** Inserts a session for the one player of the CTE `p`, if there is one. Parameters 3 to 7 are those of `FirstSession`. */
const insertFirstSession = `insert into sessions
    (session_id, player_id, epoch, generation, token_hash, used_at_ms, created_at, expires_at, device_key)
  select $3, player_id, epoch, 0, $4, '{}', ${momentOf('$5')}, ${momentOf('$6')}, $7::text::jsonb from p`

const parametersOf = (
  { provider, credentialHash }: Credential,
  { sessionId, tokenHash, now, expiresAt, deviceKey }: FirstSession,
) =>
  [
    provider,
    credentialHash,
    sessionId,
    tokenHash,
    now.getTime(),
    expiresAt.getTime(),
    deviceKey && JSON.stringify(deviceKey),
  ] as const

/**
 * One row of `credentials`, one of `players` and, where a password is `proof`, one of `passwords`, each by its primary key.
 */
const signInFrom = (proof: string) => `
with c as (
  select player_id from credentials where provider = $1 and credential_hash = $2 and player_id is not null
), p as (
  select p.* from c join players p on p.player_id = c.player_id
), s as (
  ${insertFirstSession}
  where deleted_at is null and delete_at is null and (banned_until is null or banned_until <= ${momentOf('$5')}) and ${proof}
)
select c.player_id as owner, ${proof} as "isProven", ${playerColumns} from c left join p on true`

const signInStatements = {
  alone: signInFrom('true'),
  withPassword: signInFrom('exists (select from passwords where credential_hash = $2 and verifier = $8)'),
}

/** Whose a credential is. A player of another cell has no row here, nor has one who was to be made and was not yet. */
export type Found = {
  readonly owner: PlayerId
  readonly player: PlayerRow | undefined
  /** False when the password has changed since it was checked. */
  readonly isProven: boolean
}

/** A credential that whoever presents it has shown to be theirs. */
export type ProvenCredential = Credential & {
  /**
   * Of an address, the hash that its password was checked against or, where it is nobody's, is to be checked against from
   * now on. Null for what needs no password.
   */
  readonly verifier: string | null
}

/**
 * Starts a session for the player whom a credential belongs to, unless they may not sign in, or its password is another one
 * by now: what `player` says of bans and deletion is as the statement saw it. Undefined when the credential is nobody's, as far as this cell has heard. The
 * session has the epoch of the player that is answered with.
 */
export const signInByCredential = async (
  database: Database,
  credential: ProvenCredential,
  session: FirstSession,
): Promise<Found | undefined> => {
  const parameters = parametersOf(credential, session)
  const { verifier } = credential
  const [row] = await database.statement<PlayerText & Pick<Found, 'owner' | 'isProven'>>(
    verifier === null ? signInStatements.alone : signInStatements.withPassword,
    verifier === null ? parameters : [...parameters, verifier],
  )
  if (!row) return undefined
  const { owner, isProven, ...player } = row
  return { owner, isProven, player: player.playerId === null ? undefined : playerOf(player) }
}

const registerFrom = (statement: string) => `
with ${statement}, w as (
  insert into wallets (player_id, balances, version) select player_id, '{}', version from p
), s as (
  ${insertFirstSession}
), e as (
  insert into outbox (event_id, aggregate, version, type, data, moved, traceparent, occurred_at)
  select $11, $12, version, $13, $14::text::jsonb, $15::text::jsonb, $16, created_at from p
), v as (
  insert into passwords (credential_hash, verifier, changed_at)
  select $2, $17, created_at from p where $17::text is not null
  on conflict (credential_hash) do update set verifier = excluded.verifier, changed_at = excluded.changed_at
)
select ${playerColumns} from p`

const newPlayer = `insert into players (player_id, display_name, version, created_at, updated_at)`

const claiming = `c as (${takeCredential('$8', '$10')}), p as (
  ${newPlayer} select player_id, $9, $10, created_at, created_at from c returning *
)`

/** Who registers: the control cell, which may have others to tell, or a cell that has claimed the credential there. */
const registerStatements = {
  alone: registerFrom(claiming),
  control: registerFrom(`${claiming}, o as (${tellOthers('$18', '$16', '$10')})`),
  follower: registerFrom(`c as (
  insert into credentials as c (provider, credential_hash, player_id, version, created_at)
  values ($1, $2, $8, $18, ${momentOf('$5')})
  on conflict (provider, credential_hash) do update set player_id = excluded.player_id, version = excluded.version
  where c.version < excluded.version
), p as (
  ${newPlayer} values ($8, $9, $10, ${momentOf('$5')}, ${momentOf('$5')}) on conflict (player_id) do nothing returning *
)`),
}

/**
 * How a credential becomes the new player's.
 * - `alone`: here, and nobody is told; `control`: here, and the other cells are told by an event of this id.
 * - `follower`: it was claimed in the control cell, which gave it this version.
 */
export type Claim =
  | { readonly by: 'alone' }
  | { readonly by: 'control'; readonly eventId: EventOrigin['eventId'] }
  | { readonly by: 'follower'; readonly version: number }

/**
 * Makes a player with their credential, its password where it has one, wallet, first session and event, all or nothing. Undefined, and nothing stored, when
 * the credential is taken, or the player was made before; of two calls at once one makes the player, and the other answers
 * after that has committed.
 */
export const registerPlayer = async (
  database: Database,
  credential: ProvenCredential,
  { playerId, displayName, version, event, claim, ...session }: Registration & FirstSession & { readonly claim: Claim },
): Promise<PlayerRow | undefined> => {
  const last = claim.by === 'alone' ? [] : [claim.by === 'control' ? claim.eventId : claim.version]
  const [row] = await database.statement<PlayerText>(registerStatements[claim.by], [
    ...parametersOf(credential, session),
    ...[playerId, displayName, version],
    ...[event.eventId, event.aggregate, event.type],
    ...[JSON.stringify(event.data), JSON.stringify(event.moved), event.traceparent],
    credential.verifier,
    ...last,
  ])
  return row && playerOf(row)
}
