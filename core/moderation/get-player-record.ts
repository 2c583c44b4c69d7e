import type { getPlayerRecord as route } from '#contract/moderation.ts'
import { Fault } from '#contract/problem.ts'
import type { AnswerOf, InputOf } from '#contract/route.ts'
import type { Context } from '#core/context.ts'
import { ownProfileOf } from '#core/profile.ts'
import { listCredentials } from '#db/credentials.ts'
import { findPlayer } from '#db/players.ts'
import { countLiveSessions } from '#db/sessions.ts'

/** What an operator sees of a player. @throws Fault `not_found`, also for one who was deleted */
export const getPlayerRecord = async (
  { db, now }: Context,
  { params: { playerId } }: InputOf<typeof route>,
): Promise<AnswerOf<typeof route>> => {
  const player = await findPlayer(db, playerId)
  if (!player) throw new Fault('not_found')
  const { bannedUntil, banReason, deleteAt } = player
  const credentials = await listCredentials(db, playerId)
  return {
    player: ownProfileOf(player),
    ban: bannedUntil && bannedUntil > now ? { bannedUntil: bannedUntil.toISOString(), reason: banReason ?? '' } : null,
    deleteAt: deleteAt?.toISOString() ?? null,
    providers: [...new Set(credentials.map(({ provider }) => provider))],
    liveSessions: await countLiveSessions(db, { playerId, now }),
  }
}
