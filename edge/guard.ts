import { type LoadClass, overloadedRetryMinMs, overloadedRetrySpreadMs } from '#contract/load-class.ts'
import { Fault } from '#contract/problem.ts'
import type { Log } from '#infra/log.ts'
import { createBreaker, Skipped } from './breaker.ts'
import { createRetryBudget, type RetryBudget } from './retry-budget.ts'
import { createRoom, NoRoom } from './room.ts'
import { createTally, type Tally } from './tally.ts'
import { createThrottle } from './throttle.ts'

/** What stands before one cell in an isolate: it knows how the last calls went, and keeps some from being sent. */
export type Guard<Answer> = {
  /**
   * Sends a call, unless it is known that it would be in vain.
   * @throws Fault `overloaded` when it was kept back, Skipped when the cell does not answer; else what `send` throws
   */
  run(call: GuardedCall, send: () => Promise<Answer>): Promise<Answer>
  /** Whether a call that came now would be skipped, as the cell does not answer. */
  isSkipping(): boolean
  readonly retryBudget: RetryBudget
}

export type GuardedCall = {
  /** What is kept back by class; a call without one, which the edge makes for all of its callers, is never throttled. */
  readonly loadClass?: LoadClass | undefined
  /** When the caller stops to wait, ms since 1970. */
  readonly deadlineAt: number
}

export type GuardOptions<Answer> = {
  readonly cell: string
  readonly counts: GuardCounts
  readonly clock: () => number
  /** From 0 to below 1. */
  readonly random: () => number
  /** Whether an answer says that the cell has too much to do. */
  readonly isOverloaded: (answer: Answer) => boolean
  /** Whether a rejection of `send` was no answer of the cell at all. */
  readonly isUnanswered: (error: unknown) => boolean
}

/** Calls that were kept back, by cell: too much is refused, too much is under way, nothing is answered. */
export type GuardCounts = { readonly throttled: Tally; readonly withoutRoom: Tally; readonly skipped: Tally }

export const createGuardCounts = (log: Log, clock: () => number): GuardCounts => ({
  throttled: createTally(log, 'perigee.edge.throttled', clock),
  withoutRoom: createTally(log, 'perigee.edge.without_room', clock),
  skipped: createTally(log, 'perigee.edge.skipped', clock),
})

/** A cell that had less time than this to answer has not failed: the caller took the rest, perhaps on purpose. */
const fairMs = 1_000

export const createGuard = <Answer>(options: GuardOptions<Answer>): Guard<Answer> => {
  const { cell, counts, clock, random, isOverloaded, isUnanswered } = options
  const breaker = createBreaker(clock)
  const throttle = createThrottle(clock, random)
  const room = createRoom(clock)
  const overloaded = (cause?: unknown) =>
    new Fault('overloaded', { retryAfterMs: overloadedRetryMinMs + random() * overloadedRetrySpreadMs, cause })

  return {
    retryBudget: createRetryBudget(),
    isSkipping: breaker.isSkipping,
    run: async ({ loadClass, deadlineAt }, send) => {
      const isFair = deadlineAt - clock() >= fairMs
      const note = (isAccepted: boolean) => loadClass && throttle.note(loadClass, isAccepted)
      // The call that tries whether the cell is back must not be kept from it.
      const wasOpen = breaker.isOpen()
      if (loadClass && !wasOpen && !throttle.admits(loadClass)) {
        counts.throttled(cell)
        throw overloaded()
      }
      const isUrgent = loadClass === undefined || loadClass === 'sign-in'
      // What never left the edge is no silence of the cell: it may be slow, and is there.
      const isFailure = (error: unknown) => isFair && !(error instanceof NoRoom) && isUnanswered(error)
      try {
        const answer = await breaker.run(() => room.run({ isUrgent, endsAt: deadlineAt }, send), isFailure)
        // What failed while the cell was away says nothing of how much it takes.
        if (wasOpen) throttle.forget()
        note(!isOverloaded(answer))
        return answer
      } catch (error) {
        if (error instanceof Skipped) counts.skipped(cell)
        else if (error instanceof NoRoom) {
          counts.withoutRoom(cell)
          throw overloaded(error)
        } else if (isFailure(error)) note(false)
        throw error
      }
    },
  }
}
