/** Keeps from asking, on each request, somebody who does not answer. */
export type Breaker = {
  /** Does the work, or rejects with `Skipped` while nobody is to ask. `isFailure` tells which rejections count; else all do. */
  run<Result>(work: () => Promise<Result>, isFailure?: (error: unknown) => boolean): Promise<Result>
}

/** The work was not begun: what it needs has failed too often just now. */
export class Skipped extends Error {}

/** So many failures on end are no accident. */
const failuresMax = 5
/** One request in this time tries whether it is over. */
const pauseMs = 1_000

/** After five failures on end, only one request a second gets through until one succeeds. */
export const createBreaker = (clock: () => number): Breaker => {
  let failures = 0
  let pausedUntil = 0
  return {
    run: async (work, isFailure = () => true) => {
      if (failures >= failuresMax) {
        if (clock() < pausedUntil) throw new Skipped('not asked: it failed too often just now')
        pausedUntil = clock() + pauseMs
      }
      try {
        const result = await work()
        failures = 0
        return result
      } catch (error) {
        if (isFailure(error) && ++failures >= failuresMax) pausedUntil = clock() + pauseMs
        throw error
      }
    },
  }
}
