import type { Database } from './client.ts'
import { momentOf } from './columns.ts'
import { inOrder, inputsOf, type Numbered } from './ordinals.ts'
import type { SessionRow } from './sessions.ts'

/** A session's step from its newest token to the next. */
export type Rotation = Pick<SessionRow, 'sessionId' | 'generation'> & {
  /** Hashes of the two tokens. */
  readonly from: string
  readonly to: string
  readonly now: Date
  readonly expiresAt: Date
  /** For how long a token works after its successor was used. */
  readonly graceMs: number
}

/** Whose a session is, and as of which epoch. */
export type RotatedSession = Pick<SessionRow, 'playerId' | 'epoch'>

/**
 * By the primary keys. Who has the lock sees the row as the last holder left it, so of two at once one changes it. A row that
 * another transaction holds is passed over: nobody else in the set waits for it, and no two sets for each other in a circle. Uses
 * older than the latest are out of their grace when that is.
 */
const rotateStatement = `
with ${inputsOf(['session_id', 'generation', 'from_hash', 'to_hash', 'now_ms', 'expires_ms', 'grace_ms'])}, l as materialized (
  select i.ord, s.*, p.epoch, i.generation::int, i.from_hash, i.to_hash, i.now_ms::bigint, i.grace_ms::bigint,
    ${momentOf('i.now_ms')} as at, ${momentOf('i.expires_ms')} as expires_at
  from (select * from i order by session_id) i
  cross join lateral (
    select session_id, player_id from sessions s where s.session_id = i.session_id
    for no key update skip locked
  ) s
  cross join lateral (select epoch from players p where p.player_id = s.player_id limit 1) p
)
update sessions s set generation = s.generation + 1, token_hash = l.to_hash, expires_at = l.expires_at,
  used_at_ms = case when s.used_at_ms[1] + l.grace_ms > l.now_ms then array_prepend(l.now_ms, s.used_at_ms[1:31])
    else array[l.now_ms] end
from l
where s.session_id = l.session_id and s.generation = l.generation and s.token_hash = l.from_hash and s.revoked_at is null
  and s.expires_at > l.at and s.epoch = l.epoch
returning l.ord, s.player_id as "playerId", s.epoch`

/**
 * Moves live sessions from their newest tokens to the next, and answers whose they are, one by one, in their order. Undefined,
 * and nothing stored, when that token is not the newest, or the session has ended, or another transaction holds it. No session
 * stands in a set twice.
 */
export const rotateNewest = async (
  database: Pick<Database, 'statement'>,
  rotations: readonly Rotation[],
): Promise<(RotatedSession | undefined)[]> => {
  const rows = await database.statement<Numbered<RotatedSession>>(rotateStatement, [
    rotations.map(({ sessionId }) => sessionId),
    rotations.map(({ generation }) => String(generation)),
    rotations.map(({ from }) => from),
    rotations.map(({ to }) => to),
    rotations.map(({ now }) => String(now.getTime())),
    rotations.map(({ expiresAt }) => String(expiresAt.getTime())),
    rotations.map(({ graceMs }) => String(graceMs)),
  ])
  return inOrder(rows, rotations.length, (session) => session)
}
