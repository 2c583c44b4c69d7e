import type { deletePlayer as route } from '#contract/moderation.ts'
import { Fault } from '#contract/problem.ts'
import type { InputOf } from '#contract/route.ts'
import type { Context } from '#core/context.ts'
import { erase } from '#core/erase.ts'
import type { OutcomeOf } from '#core/handler.ts'
import type { Tx } from '#db/client.ts'

/** Erases a player at once. Refuses with `not_found`, also when they are deleted already. */
export const deletePlayer = async (
  tx: Tx,
  { now }: Context,
  { params: { playerId } }: InputOf<typeof route>,
): Promise<OutcomeOf<typeof route>> => {
  const event = await erase(tx, { playerId, now })
  if (!event) return { kind: 'refused', fault: new Fault('not_found') }
  return {
    kind: 'applied',
    answer: { deletedAt: now.toISOString() },
    events: [event],
    audit: { action: 'player.delete', subject: `player:${playerId}`, detail: {} },
  }
}
