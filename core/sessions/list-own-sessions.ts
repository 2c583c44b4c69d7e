import type { AnswerOf } from '#contract/route.ts'
import { type listOwnSessions as route, sessionsMax } from '#contract/sessions.ts'
import { type Context, playerOf } from '#core/context.ts'
import { listLiveSessions } from '#db/sessions.ts'

/** The caller's sessions that still stand, the latest first. */
export const listOwnSessions = async (ctx: Context): Promise<AnswerOf<typeof route>> => {
  const current = ctx.principal.kind === 'player' ? ctx.principal.sessionId : undefined
  const sessions = await listLiveSessions(ctx.db, { playerId: playerOf(ctx), now: ctx.now, limit: sessionsMax })
  return {
    sessions: sessions.map(({ sessionId, createdAt, usedAtMs, deviceKey }) => ({
      sessionId,
      createdAt: createdAt.toISOString(),
      lastUsedAt: (usedAtMs[0] === undefined ? createdAt : new Date(usedAtMs[0])).toISOString(),
      current: sessionId === current,
      bound: deviceKey !== null,
    })),
  }
}
