import type { unbanPlayer as route } from '#contract/moderation.ts'
import { Fault } from '#contract/problem.ts'
import type { InputOf } from '#contract/route.ts'
import type { Context } from '#core/context.ts'
import type { OutcomeOf } from '#core/handler.ts'
import type { NewEvent } from '#core/write.ts'
import type { Tx } from '#db/client.ts'
import { changeStanding, lockPlayer } from '#db/players.ts'

/** Lifts a ban. One that has ended by itself is forgotten, and nobody is told. Refuses with `not_found`. */
export const unbanPlayer = async (
  tx: Tx,
  { now }: Context,
  { params: { playerId } }: InputOf<typeof route>,
): Promise<OutcomeOf<typeof route>> => {
  const player = await lockPlayer(tx, playerId)
  if (!player) return { kind: 'refused', fault: new Fault('not_found') }
  const lifted = player.bannedUntil !== null && player.bannedUntil > now
  const version = await changeStanding(tx, { playerId, now }, { bannedUntil: null, banReason: null })
  const subject = `player:${playerId}` as const
  const event: NewEvent = {
    type: 'perigee.player.unbanned.v1',
    aggregate: subject,
    version,
    data: { playerId },
    moved: [],
  }
  return {
    kind: 'applied',
    answer: { lifted },
    events: lifted ? [event] : [],
    audit: { action: 'player.unban', subject, detail: { lifted } },
  }
}
