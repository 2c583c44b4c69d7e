import type { OwnProfile, updateOwnProfile as route } from '#contract/players.ts'
import { Fault } from '#contract/problem.ts'
import type { InputOf } from '#contract/route.ts'
import { type Context, playerOf } from '#core/context.ts'
import { ownProfileOf } from '#core/profile.ts'
import type { Outcome } from '#core/write.ts'
import type { Tx } from '#db/client.ts'
import { type PlayerChanges, updatePlayer } from '#db/players.ts'

/** Changes the caller's profile and moves the tag that everybody's cached copy hangs on. Refuses with `not_found`. */
export const updateOwnProfile = async (
  tx: Tx,
  ctx: Context,
  { body }: InputOf<typeof route>,
): Promise<Outcome<OwnProfile>> => {
  const playerId = playerOf(ctx)
  const player = await updatePlayer(tx, playerId, { changes: definedOf(body), now: ctx.now })
  if (!player) return { kind: 'refused', fault: new Fault('not_found') }

  const { version } = player
  const aggregate = `player:${playerId}`
  return {
    kind: 'applied',
    answer: ownProfileOf(player),
    events: [
      {
        type: 'perigee.player.updated.v1',
        aggregate,
        version,
        data: { playerId, changed: Object.keys(body) },
        moved: [{ tag: aggregate, version }],
      },
    ],
  }
}

/** The same members without those that are undefined, which the table's types do not take. */
const definedOf = (changes: InputOf<typeof route>['body']): PlayerChanges =>
  Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
