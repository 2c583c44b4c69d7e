import type { getProfile as route, Profile } from '#contract/players.ts'
import type { InputOf } from '#contract/route.ts'
import { findPlayer } from '#db/players.ts'
import type { Context } from '../context.ts'
import type { Snapshot } from '../handler.ts'
import { profileOf } from '../profile.ts'

/** What everybody may see of a player, with the version of their row. */
export const getProfile = async (ctx: Context, { params }: InputOf<typeof route>): Promise<Snapshot<Profile>> => {
  const player = await findPlayer(ctx.db, params.playerId)
  return { value: player && profileOf(player), version: player?.version ?? 0 }
}
