import type { Cell } from '#contract/ids.ts'
import { Fault, retryAfterOf } from '#contract/problem.ts'
import type { CoreAnswer, CoreRequest } from './core-call.ts'
import type { Guard } from './guard.ts'
import type { Tally } from './tally.ts'

/** Nobody answered, and another attempt may be: the connection broke, or what stands before the cores had none to give it to. */
export class Lost extends Fault<'unavailable'> {
  constructor(cause: unknown) {
    super('unavailable', { detail: 'the core does not answer', cause })
  }
}

/**
 * Whether a rejection says that a core did not answer. One that does not take us for its edge is there; a time that was up before
 * anything was sent says nothing of it.
 */
export const isUnanswered = (error: unknown): boolean => error instanceof Lost || !(error instanceof Fault)

/** Sends a request once. @throws Lost, or any other Fault, which is final */
export type Attempt = (request: CoreRequest) => Promise<CoreAnswer>

export type RetryOptions = {
  readonly guardOf: (cell: Cell) => Pick<Guard<CoreAnswer>, 'isSkipping' | 'retryBudget'>
  /** Retries, and those that were not made for want of budget, by the cell that failed. */
  readonly counts: { readonly retries: Tally; readonly unaffordable: Tally }
  readonly clock: () => number
  /** From 0 to below 1. */
  readonly random: () => number
  readonly pause: (ms: number) => Promise<void>
}

/** Full jitter: what failed together does not come again together. Less than what a person notices. */
const pauseMaxMs = 100
/** With less left than this a retry would end by the clock. */
const leastLeftMs = 250
/**
 * As long as the way to the other side of the world and back. A refusal that took longer is no accident of one instance: whoever waited
 * for a lock or a database would wait again, and who calls is to hear soon that nobody can do it.
 */
const quickMs = 200
/** `Retry-After` of who asks for no time of their own. Who does has a reason. */
const retryAfterLeast = retryAfterOf(new Fault('unavailable'))

/**
 * The one layer that retries: once, what may be repeated, while the cell's calls have saved up for it. A request with an alternative
 * goes there when it is tried again, and at once when its cell is known to be away.
 *
 * Tried again is what got no answer, and what a core could not do just now. Not `overloaded`: another attempt is what it has too much
 * of. Not `deadline_exceeded`: the time is gone. Not `internal`: a mistake is made again. A call that may not be repeated is not, not
 * even when it was refused: `unavailable` does not say that nothing was done.
 */
export const createRetrying =
  ({ guardOf, counts, clock, random, pause }: RetryOptions) =>
  async (request: CoreRequest, attempt: Attempt): Promise<CoreAnswer> => {
    const first = aroundSkipped(guardOf, request)
    const { retryBudget } = guardOf(first.cell)
    retryBudget.earn()
    const startedAt = clock()
    const outcome = await attempt(first).catch((error: unknown) => {
      if (error instanceof Lost) return error
      throw error
    })
    if (isWorthRetrying(outcome, clock() - startedAt) && isRepeatable(request)) {
      const second = toAnother(guardOf, first)
      const pauseMs = random() * pauseMaxMs
      const isTime = first.deadlineAt - clock() - pauseMs >= leastLeftMs
      if (isTime && !guardOf(second.cell).isSkipping()) {
        if (retryBudget.spend()) {
          counts.retries(first.cell)
          await pause(pauseMs)
          return attempt(second)
        }
        counts.unaffordable(first.cell)
      }
    }
    if (outcome instanceof Lost) throw outcome
    return outcome
  }

const isRepeatable = ({ method, repeatable }: CoreRequest): boolean => method === 'GET' || repeatable === true

const isWorthRetrying = (outcome: CoreAnswer | Lost, tookMs: number): boolean =>
  outcome instanceof Lost ||
  (outcome.code === 'unavailable' && tookMs <= quickMs && outcome.headers.get('retry-after') === retryAfterLeast)

type GuardOf = RetryOptions['guardOf']

/** The request, or where nothing would be sent, the one to its alternative. */
const aroundSkipped = (guardOf: GuardOf, request: CoreRequest): CoreRequest =>
  guardOf(request.cell).isSkipping() ? toAnother(guardOf, request) : request

/** The request to its alternative, which has none; the request as it is where it has none that answers. */
const toAnother = (guardOf: GuardOf, { alternative, ...request }: CoreRequest): CoreRequest => {
  if (alternative === undefined || guardOf(alternative).isSkipping()) return request
  return { ...request, cell: alternative }
}
