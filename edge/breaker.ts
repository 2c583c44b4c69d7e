/** Keeps from asking, on each request, somebody who does not answer. */
export type Breaker = {
  /** Does the work, or rejects with `Skipped` while nobody is to ask. */
  run<Result>(work: () => Promise<Result>): Promise<Result>
}

/** The work was not begun: what it needs has failed too often just now. */
export class Skipped extends Error {}

/** So many failures on end are no accident. */
const failuresMax = 5
/** One request in this time tries whether it is over. */
const pauseMs = 1_000

/**
 * After five failures on end, only one request a second gets through until one succeeds.
 * @param isFailure which rejections count; all do where it is absent
 */
export const createBreaker = (clock: () => number, isFailure: (error: unknown) => boolean = () => true): Breaker => {
  let failures = 0
  let pausedUntil = 0
  return {
    run: async (work) => {
      if (failures >= failuresMax) {
        if (clock() < pausedUntil) throw new Skipped('not asked: it failed too often just now')
        pausedUntil = clock() + pauseMs
      }
      try {
        const result = await work()
        failures = 0
        return result
      } catch (error) {
        if (!isFailure(error)) failures = 0
        else if (++failures >= failuresMax) pausedUntil = clock() + pauseMs
        throw error
      }
    },
  }
}
