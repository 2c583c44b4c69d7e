import type { banPlayer as route } from '#contract/moderation.ts'
import { Fault } from '#contract/problem.ts'
import type { InputOf } from '#contract/route.ts'
import type { Context } from '#core/context.ts'
import type { OutcomeOf } from '#core/handler.ts'
import { endAllSessions } from '#core/revocation.ts'
import type { Tx } from '#db/client.ts'
import { changeStanding, lockPlayer } from '#db/players.ts'

/**
 * Bans a player and ends their sessions. A ban that stands is replaced. Refuses with `invalid_request` for an end that has
 * passed, and `not_found`.
 */
export const banPlayer = async (
  tx: Tx,
  { now }: Context,
  { params: { playerId }, body: { reason, until } }: InputOf<typeof route>,
): Promise<OutcomeOf<typeof route>> => {
  const bannedUntil = new Date(until)
  if (bannedUntil <= now) {
    const errors = [{ in: 'body', pointer: '/until', detail: 'must be in the future' }] as const
    return { kind: 'refused', fault: new Fault('invalid_request', { errors }) }
  }
  if (!(await lockPlayer(tx, playerId))) return { kind: 'refused', fault: new Fault('not_found') }
  const version = await changeStanding(tx, { playerId, now }, { bannedUntil, banReason: reason })
  await endAllSessions(tx, { playerId, now })
  const subject = `player:${playerId}` as const
  return {
    kind: 'applied',
    answer: { bannedUntil: until },
    events: [
      {
        type: 'perigee.player.banned.v1',
        aggregate: subject,
        version,
        data: { playerId, bannedUntil: until },
        moved: [],
      },
    ],
    audit: { action: 'player.ban', subject, detail: { bannedUntil: until } },
  }
}
