import type { AnswerOf, InputOf } from '#contract/route.ts'
import type { logOut as route } from '#contract/sessions.ts'
import { type Context, playerOf } from '#core/context.ts'
import { requireLiveSession } from '#core/principal.ts'
import { endAllSessions, endSession } from '#core/revocation.ts'

/**
 * Ends the session of the call, or all that the caller has.
 * @throws Fault `token_invalid` when the session has ended before
 */
export const logOut = async (ctx: Context, { body }: InputOf<typeof route>): Promise<AnswerOf<typeof route>> => {
  const { db, now, principal } = ctx
  const playerId = playerOf(ctx)
  await requireLiveSession(db, principal, now)
  await db.transaction(async (tx) => {
    if (body.everywhere) await endAllSessions(tx, { playerId, now })
    else if (principal.kind === 'player') await endSession(tx, { sessionId: principal.sessionId, now })
  })
  return { endedAt: now.toISOString() }
}
