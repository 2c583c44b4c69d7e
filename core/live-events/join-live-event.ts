import { stateOf } from '#contract/evaluate/calendar.ts'
import { newId } from '#contract/ids.ts'
import type { joinLiveEvent as route } from '#contract/live-events.ts'
import { Fault } from '#contract/problem.ts'
import type { InputOf } from '#contract/route.ts'
import { refusedWith, type SetWork } from '#core/combine.ts'
import { type Context, playerOf } from '#core/context.ts'
import type { Live, LiveContent } from '#core/live-content.ts'
import { type JoinInput, joinStatement } from '#db/join.ts'
import { subjectOf } from './subject.ts'

/**
 * Takes the caller into a run that is on. Whoever is in is answered as the first time, whatever they are by now and whatever
 * has become of the run: the statement looks for that before it refuses. Of two first calls at once one takes effect, and one
 * event leaves.
 *
 * Refuses with `not_found` for a run that there is not, one of an event that is off, or not for the caller, and with
 * `live_event_closed`.
 */
export const joinLiveEvent = async (
  liveContent: LiveContent,
  ctx: Context,
  { params: { runId }, body }: InputOf<typeof route>,
): Promise<SetWork<JoinInput>> => {
  const fault = faultOf(await liveContent(), { ctx, runId, context: body.context })
  return {
    statement: joinStatement,
    aggregate: playerOf(ctx),
    input: {
      runId,
      eventId: newId('event', ctx.cell, ctx.now.getTime()),
      refused: fault && refusedWith(fault, ctx),
    },
  }
}

type Asked = {
  readonly ctx: Context
  readonly runId: string
  readonly context: InputOf<typeof route>['body']['context']
}

const faultOf = ({ calendar, evaluator }: Live, { ctx, runId, context }: Asked): Fault | undefined => {
  const found = calendar.find(runId)
  if (!found || !evaluator.isFor(found.event, subjectOf(ctx, context))) return new Fault('not_found')
  const state = stateOf(found.run, ctx.now.getTime())
  return state === 'active' ? undefined : new Fault('live_event_closed', { extras: { state } })
}
