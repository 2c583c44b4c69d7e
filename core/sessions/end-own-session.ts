import { Fault } from '#contract/problem.ts'
import type { AnswerOf, InputOf } from '#contract/route.ts'
import type { endOwnSession as route } from '#contract/sessions.ts'
import { type Context, playerOf } from '#core/context.ts'
import { requireLiveSession } from '#core/principal.ts'
import { endSession } from '#core/revocation.ts'
import { lockSession } from '#db/sessions.ts'

/**
 * Ends a session of the caller's. One that has ended stays so, and the answer tells since when.
 * @throws Fault `not_found` for another's; `token_invalid` when the caller's own session has ended
 */
export const endOwnSession = async (
  ctx: Context,
  { params }: InputOf<typeof route>,
): Promise<AnswerOf<typeof route>> => {
  const { sessionId } = params
  await requireLiveSession(ctx.db, ctx.principal, ctx.now)
  return ctx.db.transaction(async (tx) => {
    const session = await lockSession(tx, sessionId)
    if (!session || session.playerId !== playerOf(ctx)) throw new Fault('not_found')
    if (!session.revokedAt) await endSession(tx, { sessionId, now: ctx.now })
    return { endedAt: (session.revokedAt ?? ctx.now).toISOString() }
  })
}
