/** Keeps from asking, on each request, somebody who does not answer. */
export type Breaker = {
  /** Does the work, or rejects with `Skipped` while nobody is to ask. `isFailure` tells which rejections count; else all do. */
  run<Result>(work: () => Promise<Result>, isFailure?: (error: unknown) => boolean): Promise<Result>
  /** Whether too much has failed and nothing has succeeded since; the next work may be the one that tries. */
  isOpen(): boolean
  /** Whether work that came now would be rejected with `Skipped`. */
  isSkipping(): boolean
}

/** The work was not begun: what it needs has failed too often just now. */
export class Skipped extends Error {}

/** So many failures on end are no accident. */
const failuresMax = 5
/** One request in this time tries whether it is over. */
const pauseMs = 1_000

/**
 * After five failures on end, only one request a second gets through until one succeeds. Of many that come at once it is the first.
 *
 * On end means that nothing has succeeded since they began: what was asked before somebody came back, and fails late, says nothing
 * of them any more.
 */
export const createBreaker = (clock: () => number): Breaker => {
  let failures = 0
  let successes = 0
  let pausedUntil = 0
  const isOpen = () => failures >= failuresMax
  const isSkipping = () => {
    if (!isOpen()) return false
    const leftMs = pausedUntil - clock()
    // More is left than a pause lasts where the clock was set back: nobody is to be skipped for as long as that.
    return leftMs > 0 && leftMs <= pauseMs
  }
  return {
    isOpen,
    isSkipping,
    run: async (work, isFailure = () => true) => {
      if (isSkipping()) throw new Skipped('not asked: it failed too often just now')
      if (isOpen()) pausedUntil = clock() + pauseMs
      const before = successes
      try {
        const result = await work()
        failures = 0
        successes++
        return result
      } catch (error) {
        // Late failures do not put the next try off: it is due a second after the last one.
        if (isFailure(error) && before === successes && ++failures === failuresMax) pausedUntil = clock() + pauseMs
        throw error
      }
    },
  }
}
