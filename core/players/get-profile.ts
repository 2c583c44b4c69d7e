import type { Profile, getProfile as route } from '#contract/players.ts'
import type { InputOf } from '#contract/route.ts'
import type { Context } from '#core/context.ts'
import type { Snapshot } from '#core/handler.ts'
import { profileOf } from '#core/profile.ts'
import { findRow } from '#db/players.ts'

/** What everybody may see of a player, with the version of their row: also that of a deleted one, lest an older copy count. */
export const getProfile = async (ctx: Context, { params }: InputOf<typeof route>): Promise<Snapshot<Profile>> => {
  const player = await findRow(ctx.db, params.playerId)
  return { value: player && !player.deletedAt ? profileOf(player) : undefined, version: player?.version ?? 0 }
}
