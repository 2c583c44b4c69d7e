import { claimUntilOf, type EventRun, stateOf } from '#contract/evaluate/calendar.ts'
import type { claimLiveEvent as route } from '#contract/live-events.ts'
import { Fault } from '#contract/problem.ts'
import type { InputOf } from '#contract/route.ts'
import { refusedWith, type SetWork } from '#core/combine.ts'
import { type Context, playerOf } from '#core/context.ts'
import type { LiveContent } from '#core/live-content.ts'
import { move } from '#core/value.ts'
import { hasJoined } from '#db/participations.ts'
import { subjectOf } from './subject.ts'

/** What the ledger knows the reward of a run by, for ever. It has a space, as no key has one. */
export const claimReference = (runId: string) => `live-event ${runId}`

/**
 * Gives the caller the reward of a run: once, whatever the key, also where two calls meet. A later call is answered as the
 * first. It is for those who have joined, and where nobody need join for those of the audience; from the start of the run until
 * its grace has passed.
 *
 * Refuses with `not_found`, `live_event_closed`, `live_event_not_joined`, `nothing_to_claim`, `currency_unknown` and
 * `balance_cap_exceeded`. A refusal stands for its key alone: the reward can still be claimed under another.
 */
export const claimLiveEvent = async (
  liveContent: LiveContent,
  ctx: Context,
  { params: { runId }, body }: InputOf<typeof route>,
): Promise<SetWork> => {
  const { calendar, evaluator } = await liveContent()
  const found = calendar.find(runId)
  const isForAll = found?.event.audience === undefined && !found?.event.requiresJoin
  const joined = found !== undefined && !isForAll && (await hasJoined(ctx.db, { playerId: playerOf(ctx), runId }))
  const isIn = found !== undefined && (joined || evaluator.isFor(found.event, subjectOf(ctx, body.context)))
  const fault = isIn ? faultOf(found, { joined, now: ctx.now.getTime() }) : new Fault('not_found')
  return move(ctx, {
    playerId: playerOf(ctx),
    changes: found?.event.rewards ?? [],
    reason: `live-event:${runId}`,
    reference: claimReference(runId),
    refused: fault && refusedWith(fault, ctx),
  })
}

const faultOf = (
  found: EventRun,
  { joined, now }: { readonly joined: boolean; readonly now: number },
): Fault | undefined => {
  const state = stateOf(found.run, now)
  if (state === 'upcoming' || (state === 'ended' && now >= claimUntilOf(found)))
    return new Fault('live_event_closed', { extras: { state } })
  if (found.event.requiresJoin && !joined) return new Fault('live_event_not_joined')
  return found.event.rewards.length === 0 ? new Fault('nothing_to_claim') : undefined
}
