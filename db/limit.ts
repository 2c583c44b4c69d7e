/** How much sooner than its caller's deadline a statement may be cancelled, so that connections need not be told each time. */
const earlyMaxMs = 50
/** What is set is a little less than what is left, so that it suits the next caller too, who has a little less time. */
const earlyMs = 15

/** Whether a session's `statement_timeout` does for a statement that may take `leftMs`: it is never more. */
export const suits = (timeoutMs: number, leftMs: number): boolean =>
  timeoutMs <= leftMs && timeoutMs >= leftMs - earlyMaxMs

/** What to set it to where it does not, whole milliseconds; never 0, which would be no limit. */
export const limitFor = (leftMs: number): number => Math.max(1, Math.floor(leftMs - Math.min(earlyMs, leftMs / 10)))
