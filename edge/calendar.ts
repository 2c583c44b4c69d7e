import type * as z from 'zod'
import { claimUntilOf, type EventRun, stateOf } from '#contract/evaluate/calendar.ts'
import type { LiveEventRun, listLiveEvents } from '#contract/live-events.ts'
import { Fault } from '#contract/problem.ts'
import type { Answer } from './answer.ts'
import type { Content } from './content.ts'
import type { Routed } from './exchange.ts'
import { subjectOf } from './subject.ts'

/**
 * The live events that a caller sees at the moment of the request. What a run is follows from the schedule and this edge's
 * clock, which the answer tells.
 * @throws Fault `invalid_request` for a context that is no JSON object; as `Content.get`
 */
export const answerLiveEvents = async (exchange: Routed, content: Content): Promise<Answer> => {
  const at = { in: 'query', pointer: '/context' } as const
  const subject = subjectOf(exchange, parseContext(exchange.query.context), at)
  const { evaluator } = await content.get(exchange)
  exchange.fromMemory = true
  const answer: z.output<typeof listLiveEvents.answer> = {
    serverTime: timeOf(subject.now),
    runs: evaluator.shownTo(subject).map((shown) => runOf(shown, subject.now)),
  }
  // It is true for a moment: the next one may begin or end a run.
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' }
  return { status: 200, headers, body: JSON.stringify(answer) }
}

/** Undefined, which is no context, for a text that is no JSON; an empty one where the caller says nothing. */
const parseContext = (text: unknown): unknown => {
  if (text === undefined) return {}
  try {
    return JSON.parse(String(text))
  } catch (cause) {
    const errors = [{ in: 'query', pointer: '/context', detail: 'the context is not JSON' } as const]
    throw new Fault('invalid_request', { errors, cause })
  }
}

const runOf = (shown: EventRun, now: number): LiveEventRun => {
  const { key, event, run } = shown
  return {
    runId: run.runId,
    eventKey: key,
    title: event.title,
    state: stateOf(run, now),
    startsAt: timeOf(run.startsAt),
    endsAt: timeOf(run.endsAt),
    claimUntil: timeOf(claimUntilOf(shown)),
    requiresJoin: event.requiresJoin,
    rewards: event.rewards,
    flags: event.flags,
    ...(event.leaderboard === undefined ? {} : { leaderboard: event.leaderboard }),
    metadata: event.metadata,
  }
}

const timeOf = (ms: number): string => new Date(ms).toISOString()
