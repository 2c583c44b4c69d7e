import { Fault } from '#contract/problem.ts'

/** How many may do something at once, and how many more may wait for that. */
export type TurnBounds = {
  readonly runningMax: number
  readonly waitingMax: number
  /** When to come again for whoever may not even wait, milliseconds. */
  readonly retryAfterMs: number
  /** What is waiting then, for people: `passwords`. */
  readonly what: string
}

/** Does the work when its turn has come, and rejects as the work does. @throws Fault `unavailable` when the line is full */
export type InTurn = <Result>(work: () => Promise<Result>) => Promise<Result>

/** Lets so many at once run, first come first; a turn that ends is handed to the next. */
export const createTurns = ({ runningMax, waitingMax, retryAfterMs, what }: TurnBounds): InTurn => {
  const line: (() => void)[] = []
  let running = 0
  return async (work) => {
    if (running < runningMax) running++
    else if (line.length < waitingMax) await new Promise<void>((resolve) => line.push(resolve))
    else throw new Fault('unavailable', { detail: `more than ${waitingMax} ${what} are waiting`, retryAfterMs })
    try {
      return await work()
    } finally {
      const next = line.shift()
      if (next) next()
      else running--
    }
  }
}
