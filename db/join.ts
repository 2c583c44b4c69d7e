import { quoted, type Refused, refusal, setStatement, time } from './set-statement.ts'

/** What `joinStatement` takes as the input of one command; its aggregate is the player's id. */
export type JoinInput = {
  readonly runId: string
  readonly eventId: string
  /** Absent where nothing is against it. */
  readonly refused?: Refused | undefined
}

const answer = (runId: string, joinedAt: string) =>
  `'{"runId":' || ${quoted(runId)} || ',"joinedAt":' || ${quoted(time(joinedAt))} || '}'`

/**
 * Takes players into runs for a set of commands, at most one a player. Who is in already is answered as they were then, without
 * an event; refuses with `not_found` for a player who was deleted, and with what the verb found. The player's version is
 * raised: by it a join is seen that has committed meanwhile, and the event has its place among those of the player.
 */
export const joinStatement = setStatement({
  name: 'joins',
  rows: { table: 'players', key: 'player_id' },
  permanent: `
    select i.ord, i.fingerprint, 200::smallint, 'application/json', ${answer('x.run_id', 'x.joined_at')}, '[]'::jsonb
    from i cross join lateral (select * from participations x
      where x.player_id = i.aggregate and x.run_id = i.input_text::json->>'runId' limit 1) x`,
  known: 'true',
  decide: `r as materialized (
    select n.ord, n.principal, n.key, n.fingerprint, n.traceparent, n.at, n.aggregate, n.input->>'runId' as run_id, f.code,
      case when f.code is null then ${answer("n.input->>'runId'", 'n.at')}
        else coalesce(n.input->'refused'->>'body', ${refusal('not_found')})
      end as body,
      '[]'::jsonb as moved,
      greatest(w.version + 1, (extract(epoch from n.at) * 1000)::bigint) as version,
      n.input->>'eventId' as event_id, 'player:' || n.aggregate as event_aggregate,
      'perigee.live_event.joined.v1' as event_type,
      jsonb_build_object('playerId', n.aggregate, 'runId', n.input->>'runId') as event_data
    from n left join w on w.player_id = n.aggregate and w.deleted_at is null
    cross join lateral (select coalesce(
      n.input->'refused'->>'code', case when w.player_id is null then 'not_found' end) as code) f
  )`,
  effects: `u as (
    update players set version = a.version from a where players.player_id = a.aggregate
    returning players.player_id
  ), x as (
    insert into participations (player_id, run_id, joined_at) select aggregate, run_id, at from a
  )`,
  guard: 'u',
})
