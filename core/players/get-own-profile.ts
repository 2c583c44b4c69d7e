import type { OwnProfile } from '#contract/players.ts'
import { Fault } from '#contract/problem.ts'
import { findPlayer } from '#db/players.ts'
import { type Context, playerOf } from '../context.ts'
import { ownProfileOf } from '../profile.ts'

/** Reads the caller's own row from the primary. @throws Fault `not_found` when the player was deleted */
export const getOwnProfile = async (ctx: Context): Promise<OwnProfile> => {
  const player = await findPlayer(ctx.db, playerOf(ctx))
  if (!player) throw new Fault('not_found')
  return ownProfileOf(player)
}
