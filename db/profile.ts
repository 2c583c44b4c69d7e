import { refusal, setStatement, time } from './set-statement.ts'

/** What `updateProfileStatement` takes as the input of one command; its aggregate is the player's id. */
export type UpdateProfileInput = {
  readonly eventId: string
  /** A member that is absent stays as it is; null clears it. The values have passed the contract's schema. */
  readonly changes: {
    readonly displayName?: string | undefined
    readonly avatarUrl?: string | null | undefined
    readonly country?: string | null | undefined
    readonly language?: string | null | undefined
    readonly timeZone?: string | null | undefined
    readonly metadata?: Readonly<Record<string, unknown>> | undefined
  }
  /** False refuses the command, unless it was answered before. */
  readonly isNameAllowed: boolean
}

/** SQL for a text column of `w` after the change. */
const changed = (member: string, column: string) =>
  `case when n.input->'changes' ? '${member}' then n.input->'changes'->>'${member}' else w.${column} end as ${column}`

/**
 * Changes profiles for a set of commands, at most one a player, and moves the tag that everybody's cached copy hangs on.
 * Refuses with `not_found`, also for a player who was deleted, and `display_name_not_allowed`. The answer is the caller's own
 * profile, as `GET /v1/players/me` shows it.
 */
export const updateProfileStatement = setStatement({
  name: 'profile-changes',
  rows: { table: 'players', key: 'player_id' },
  decide: `d as materialized (
    select n.ord, w.player_id, w.created_at,
      ${changed('displayName', 'display_name')}, ${changed('avatarUrl', 'avatar_url')},
      ${changed('country', 'country')}, ${changed('language', 'language')}, ${changed('timeZone', 'time_zone')},
      -- json, not jsonb: what was sent is what is stored, digit for digit.
      case when n.input->'changes' ? 'metadata' then n.input_text::json->'changes'->'metadata' else w.metadata end as metadata,
      greatest(w.version + 1, (extract(epoch from n.at) * 1000)::bigint) as version
    from n join w on w.player_id = n.aggregate and w.deleted_at is null
  ), f as materialized (
    select n.ord, case
      when d.ord is null then 'not_found'
      when not (n.input->>'isNameAllowed')::boolean then 'display_name_not_allowed'
    end as code
    from n left join d using (ord)
  ), r as materialized (
    select n.ord, n.principal, n.key, n.fingerprint, n.traceparent, n.at,
      d.player_id, d.display_name, d.avatar_url, d.country, d.language, d.time_zone, d.metadata,
      f.code,
      case f.code when 'not_found' then ${refusal('not_found')}
      when 'display_name_not_allowed' then ${refusal('display_name_not_allowed')} else (
        select row_to_json(profile)::text from (select
          d.player_id as "id", d.display_name as "displayName", d.avatar_url as "avatarUrl", d.country as "country",
          d.language as "language", d.metadata as "metadata", ${time('d.created_at')} as "createdAt",
          d.time_zone as "timeZone", ${time('n.at')} as "updatedAt") profile)
      end as body,
      case when f.code is not null then '[]'
        else jsonb_build_array(jsonb_build_object('tag', 'player:' || d.player_id, 'version', d.version))
      end as moved,
      d.version, n.input->>'eventId' as event_id, 'player:' || n.aggregate as event_aggregate,
      'perigee.player.updated.v1' as event_type,
      jsonb_build_object('playerId', n.aggregate,
        'changed', (select jsonb_agg(member) from jsonb_object_keys(n.input->'changes') member)) as event_data
    from n join f using (ord) left join d using (ord)
  )`,
  effects: `u as (
    update players set display_name = a.display_name, avatar_url = a.avatar_url, country = a.country,
      language = a.language, time_zone = a.time_zone, metadata = a.metadata, version = a.version, updated_at = a.at
    from a where players.player_id = a.player_id
    returning players.player_id
  )`,
  guard: 'u',
})
