import type { EventId, PlayerId } from '#contract/ids.ts'
import type { Database } from './client.ts'
import { momentOf } from './columns.ts'
import { takeCredentials, tellOthers } from './credentials.ts'
import { inOrder, inputsOf, type Numbered } from './ordinals.ts'
import type { OutboxRow } from './outbox.ts'
import type { PlayerRow } from './players.ts'
import {
  attemptColumns,
  attemptParameters,
  insertFirstSessions,
  type PlayerText,
  playerColumns,
  playerFrom,
  type SignInAttempt,
} from './sign-in.ts'

/** A player as a first sign-in makes them. Their wallet and the event have the version of the player. */
export type NewPlayer = {
  readonly playerId: PlayerId
  readonly displayName: string
  readonly version: number
  readonly event: Omit<OutboxRow, 'version' | 'occurredAt' | 'redrivenFor'>
}

/**
 * How a credential becomes the new player's.
 * - `alone`: here, and nobody is told; `control`: here, and the other cells are told by an event of this id.
 * - `follower`: it was claimed in the control cell, which gave it this version.
 */
export type Claim =
  | { readonly by: 'alone' }
  | { readonly by: 'control'; readonly eventId: EventId }
  | { readonly by: 'follower'; readonly version: number }

export type Registration = SignInAttempt & { readonly player: NewPlayer; readonly claim: Claim }

const columns = [
  ...attemptColumns,
  'new_id',
  'new_name',
  'new_version',
  'event_id',
  'aggregate',
  'type',
  'data',
  'moved',
  'traceparent',
  'claim',
]

const parametersOf = (registrations: readonly Registration[]) => {
  const players = registrations.map(({ player }) => player)
  return [
    ...attemptParameters(registrations),
    players.map(({ playerId }) => playerId),
    players.map(({ displayName }) => displayName),
    players.map(({ version }) => String(version)),
    players.map(({ event }) => event.eventId),
    players.map(({ event }) => event.aggregate),
    players.map(({ event }) => event.type),
    players.map(({ event }) => JSON.stringify(event.data)),
    players.map(({ event }) => JSON.stringify(event.moved)),
    players.map(({ event }) => event.traceparent),
    registrations.map(({ claim }) => claimText(claim)),
  ]
}

const claimText = (claim: Claim): string | null => {
  switch (claim.by) {
    case 'alone':
      return null
    case 'control':
      return claim.eventId
    case 'follower':
      return String(claim.version)
  }
}

/** Of the CTEs that a form begins with, `p` are the players that were made; all else is of them alone. */
const registerFrom = (form: string) => `
with ${inputsOf(columns)}, ${form}, a as materialized (
  select i.*, p.* from p join i on i.new_id = p.player_id
), w as (
  insert into wallets (player_id, balances, version) select player_id, '{}', version from a
), s as (${insertFirstSessions('a')}
), e as (
  insert into outbox (event_id, aggregate, version, type, data, moved, traceparent, occurred_at)
  select event_id, aggregate, new_version::bigint, type, data::jsonb, moved::jsonb, traceparent, created_at from a
), v as (
  insert into passwords (credential_hash, verifier, changed_at)
  select credential_hash, verifier, created_at from a where verifier is not null order by credential_hash
  on conflict (credential_hash) do update set verifier = excluded.verifier, changed_at = excluded.changed_at
)
select ord, ${playerColumns} from a`

const newPlayers = 'insert into players (player_id, display_name, version, created_at, updated_at)'

// In the order of keys, so that two sets never wait for each other in a circle.
const claiming = `c as (${takeCredentials(`
  select provider, credential_hash, new_id, new_version::bigint, ${momentOf('new_version')} from i
  order by provider, credential_hash`)}
), p as (
  ${newPlayers}
  select c.player_id, i.new_name, i.new_version::bigint, c.created_at, c.created_at from c join i on i.new_id = c.player_id
  returning *
)`

const following = `c as (
  insert into credentials as c (provider, credential_hash, player_id, version, created_at)
  select provider, credential_hash, new_id, claim::bigint, ${momentOf('now_ms')} from i order by provider, credential_hash
  on conflict (provider, credential_hash) do update set player_id = excluded.player_id, version = excluded.version
  where c.version < excluded.version
), p as (
  ${newPlayers}
  select new_id, new_name, new_version::bigint, ${momentOf('now_ms')}, ${momentOf('now_ms')} from i order by new_id
  on conflict (player_id) do nothing
  returning *
)`

/** Who registers: the control cell, which may have others to tell, or a cell that has claimed the credential there. */
const registerStatements = {
  alone: registerFrom(claiming),
  control: registerFrom(
    `${claiming}, o as (${tellOthers({
      from: 'c join i on i.new_id = c.player_id',
      eventId: 'i.claim',
      traceparent: 'i.traceparent',
      at: 'i.new_version',
    })})`,
  ),
  follower: registerFrom(following),
}

/**
 * Makes players with their credentials, their passwords where they have one, wallets, first sessions and events: of each player
 * all or nothing. Answers one by one, in their order: undefined, and nothing stored, when the credential is taken, or the player
 * was made before; of two calls at once one makes the player, and the other answers after that has committed. All in a set
 * claim in the form `by`; no credential and no player stands in it twice.
 */
export const registerPlayers = async (
  database: Pick<Database, 'statement'>,
  by: Claim['by'],
  registrations: readonly Registration[],
): Promise<(PlayerRow | undefined)[]> => {
  const rows = await database.statement<Numbered<PlayerText>>(registerStatements[by], parametersOf(registrations))
  return inOrder(rows, registrations.length, playerFrom)
}
