import { ownRunsMax, type listOwnLiveEvents as route } from '#contract/live-events.ts'
import type { AnswerOf } from '#contract/route.ts'
import { type Context, playerOf } from '#core/context.ts'
import type { LiveContent } from '#core/live-content.ts'
import { principalName } from '#core/principal.ts'
import { listParticipations } from '#db/participations.ts'
import { findReferences } from '#db/value.ts'
import { claimReference } from './claim-live-event.ts'

/**
 * The runs that the caller has joined or claimed, the latest first: of those that they joined last, and of those that a
 * calendar shows now, whichever belong to an event that is still there.
 */
export const listOwnLiveEvents = async (liveContent: LiveContent, ctx: Context): Promise<AnswerOf<typeof route>> => {
  const { calendar } = await liveContent()
  const joined = await listParticipations(ctx.db, { playerId: playerOf(ctx), limit: ownRunsMax })
  const runs = new Map(
    [...joined.keys().map((runId) => calendar.find(runId)), ...calendar.shownAt(ctx.now.getTime())].flatMap((found) =>
      found ? [[found.run.runId, found.run]] : [],
    ),
  )
  const principal = principalName(ctx.principal)
  const claimed = await findReferences(ctx.db, { principal, references: [...runs.keys()].map(claimReference) })
  const own = [...runs.values()]
    .map(({ runId, startsAt }) => ({
      runId,
      startsAt,
      joinedAt: joined.get(runId)?.toISOString() ?? null,
      claimedAt: claimed.get(claimReference(runId))?.toISOString() ?? null,
    }))
    .filter(({ joinedAt, claimedAt }) => joinedAt !== null || claimedAt !== null)
    .sort((a, b) => b.startsAt - a.startsAt || (a.runId < b.runId ? -1 : 1))
  return { runs: own.slice(0, ownRunsMax).map(({ startsAt: _, ...run }) => run) }
}
