import type { deleteOwnAccount as route } from '#contract/players.ts'
import { Fault } from '#contract/problem.ts'
import type { AnswerOf } from '#contract/route.ts'
import { type Context, playerOf } from '#core/context.ts'
import { requestDeletion } from '#core/deletion.ts'
import { requireLiveSession } from '#core/principal.ts'

/**
 * Asks for the caller's account to be deleted after the deployment's grace period. Of two calls at once both answer the same
 * moment, and one event leaves.
 *
 * @throws Fault `token_invalid` when the session has ended, as it has once this has succeeded
 */
export const deleteOwnAccount = async (graceMs: number, ctx: Context): Promise<AnswerOf<typeof route>> => {
  await requireLiveSession(ctx.db, ctx.principal, ctx.now)
  const asked = { playerId: playerOf(ctx), deleteAt: new Date(ctx.now.getTime() + graceMs) }
  const deleteAt = await ctx.db.transaction((tx) => requestDeletion(tx, ctx, asked))
  if (!deleteAt) throw new Fault('token_invalid')
  return { deleteAt: deleteAt.toISOString() }
}
