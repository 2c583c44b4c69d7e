/** What calls have saved up for retries: a token bucket that is filled by calls, not by time. */
export type RetryBudget = {
  /** Notes a call that is not a retry. */
  earn(): void
  /** Takes what a retry costs; false where that is not there, and then there is no retry. */
  spend(): boolean
}

/** A tenth of the calls may be sent twice: a core that fails every call gets a tenth more of them, and not twice as many. */
const callsForARetry = 10
/**
 * Ten retries at the most are saved up. An instance that dies takes about as many calls of one isolate with it, and all isolates
 * together do not meet a cell that has just failed with more.
 */
const savedMax = 10 * callsForARetry

/** Starts full: a call that fails after a quiet time, or as the first of an isolate, is tried again. Counted in calls, which are whole. */
export const createRetryBudget = (): RetryBudget => {
  let saved = savedMax
  return {
    earn: () => {
      saved = Math.min(savedMax, saved + 1)
    },
    spend: () => {
      if (saved < callsForARetry) return false
      saved -= callsForARetry
      return true
    },
  }
}
