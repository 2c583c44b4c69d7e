import type { PlayerId, SessionId } from '#contract/ids.ts'
import type { Database } from './client.ts'
import { momentOf } from './columns.ts'
import type { Credential } from './credentials.ts'
import { inOrder, inputsOf, type Numbered } from './ordinals.ts'
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

/** A credential that whoever presents it has shown to be theirs. */
export type ProvenCredential = Credential & {
  /**
   * Of an address, the hash that its password was checked against or, where it is nobody's, is to be checked against from
   * now on. Null for what needs no password.
   */
  readonly verifier: string | null
}

/** What a session is to begin with. */
export type SignInAttempt = { readonly credential: ProvenCredential; readonly session: FirstSession }

/** Timestamps as Postgres writes them, and their zone. */
export type PlayerText = {
  readonly [Column in keyof PlayerRow]: PlayerRow[Column] extends Date
    ? string
    : PlayerRow[Column] extends Date | null
      ? string | null
      : PlayerRow[Column]
}

const dateOf = (text: string | null) => (text === null ? null : new Date(text))

export const playerFrom = (row: PlayerText): PlayerRow => ({
  ...row,
  createdAt: new Date(row.createdAt),
  updatedAt: new Date(row.updatedAt),
  bannedUntil: dateOf(row.bannedUntil),
  deleteAt: dateOf(row.deleteAt),
  deletedAt: dateOf(row.deletedAt),
})

/** The columns of a `PlayerRow`, of one relation that has them all. */
export const playerColumns = `player_id as "playerId", display_name as "displayName", avatar_url as "avatarUrl", country, language,
  time_zone as "timeZone", metadata, epoch, version, created_at as "createdAt", updated_at as "updatedAt",
  banned_until as "bannedUntil", ban_reason as "banReason", delete_at as "deleteAt", deleted_at as "deletedAt"`

/** Arrays of what `attemptColumns` names, as text, in the order of the attempts. */
export const attemptParameters = (attempts: readonly SignInAttempt[]) => [
  attempts.map(({ credential }) => credential.provider),
  attempts.map(({ credential }) => credential.credentialHash),
  attempts.map(({ credential }) => credential.verifier),
  attempts.map(({ session }) => session.sessionId),
  attempts.map(({ session }) => session.tokenHash),
  attempts.map(({ session }) => String(session.now.getTime())),
  attempts.map(({ session }) => String(session.expiresAt.getTime())),
  attempts.map(({ session }) => session.deviceKey && JSON.stringify(session.deviceKey)),
]

export const attemptColumns = [
  'provider',
  'credential_hash',
  'verifier',
  'session_id',
  'token_hash',
  'now_ms',
  'expires_ms',
  'device_key',
] as const

/** Inserts the first sessions of `from`, which has the columns of `attemptColumns` and those of the players. */
export const insertFirstSessions = (from: string) => `
  insert into sessions
    (session_id, player_id, epoch, generation, token_hash, used_at_ms, created_at, expires_at, device_key)
  select session_id, player_id, epoch, 0, token_hash, '{}', ${momentOf('now_ms')}, ${momentOf('expires_ms')}, device_key::jsonb
  from ${from}`

/**
 * One row of `credentials`, one of `players` and, where a password is proof, one of `passwords`, each by its primary key. `limit 1`
 * keeps the planner from hashing a whole table of which it has no statistics yet.
 */
const signInStatement = `
with ${inputsOf(attemptColumns)}, f as materialized (
  select i.*, c.owner, p.*,
    i.verifier is null or coalesce(
      i.verifier = (select v.verifier from passwords v where v.credential_hash = i.credential_hash), false) as is_proven
  from i
  cross join lateral (
    select player_id as owner from credentials c
    where c.provider = i.provider and c.credential_hash = i.credential_hash limit 1
  ) c
  left join lateral (select * from players p where p.player_id = c.owner limit 1) p on true
  where c.owner is not null
), s as (${insertFirstSessions('f')}
  where player_id is not null and deleted_at is null and delete_at is null
    and (banned_until is null or banned_until <= ${momentOf('now_ms')}) and is_proven
)
select ord, owner, is_proven as "isProven", ${playerColumns} from f`

/** Whose a credential is. A player of another cell has no row here, nor has one who was to be made and was not yet. */
export type Found = {
  readonly owner: PlayerId
  readonly player: PlayerRow | undefined
  /** False when the password has changed since it was checked. */
  readonly isProven: boolean
}

/**
 * Starts a session for each player whom a credential belongs to, unless they may not sign in, or its password is another one
 * by now: what `player` says of bans and deletion is as the statement saw it. Answers one by one, in their order: undefined
 * when the credential is nobody's, as far as this cell has heard. The session has the epoch of the player that is answered
 * with. A credential may stand in a set several times.
 */
export const signInByCredentials = async (
  database: Pick<Database, 'statement'>,
  attempts: readonly SignInAttempt[],
): Promise<(Found | undefined)[]> => {
  type Row = Numbered<PlayerText & Pick<Found, 'owner' | 'isProven'>>
  const rows = await database.statement<Row>(signInStatement, attemptParameters(attempts))
  return inOrder(
    rows,
    attempts.length,
    ({ owner, isProven, ...player }): Found => ({
      owner,
      isProven,
      player: player.playerId === null ? undefined : playerFrom(player),
    }),
  )
}
