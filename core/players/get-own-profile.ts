import type { OwnProfile } from '#contract/players.ts'
import { Fault } from '#contract/problem.ts'
import { type Context, playerOf } from '#core/context.ts'
import { ownProfileOf } from '#core/profile.ts'
import { findPlayer } from '#db/players.ts'

/** Reads the caller's own row from the primary. @throws Fault `not_found` when the player was deleted */
export const getOwnProfile = async (ctx: Context): Promise<OwnProfile> => {
  const player = await findPlayer(ctx.db, playerOf(ctx))
  if (!player) throw new Fault('not_found')
  return ownProfileOf(player)
}
