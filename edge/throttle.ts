import type { LoadClass } from '#contract/load-class.ts'

/** Refuses, in the place of a cell that refuses much, some of what it would refuse. Each class of load is counted by itself. */
export type Throttle = {
  /** Whether a call is to be sent. One that is not counts as a call that was not accepted. */
  admits(loadClass: LoadClass): boolean
  /** Notes what became of a call that was sent. */
  note(loadClass: LoadClass, isAccepted: boolean): void
  /** Forgets all classes: what was seen says nothing of the cell any more. */
  forget(): void
}

/** As many calls are sent as are accepted twice over: a cell that takes more again is noticed, and is not asked for all at once. */
const multiple = 2
/** So many that were not accepted prove nothing: at low traffic everything is sent. */
const unprovenMax = 20
/** However little is accepted, a tenth of the calls tries: else an overload that is over would be found out by nobody. */
const refusedShareMax = 0.9
/** A burst is over in this time, and an isolate has enough calls in it to go by. */
const bucketsCount = 10
const bucketMs = 1_000

/**
 * Client-side throttling: the share that is refused grows with how much less than half of the calls was accepted within the last ten
 * seconds. @see https://sre.google/sre-book/handling-overload/
 *
 * A call counts when it has ended. One under way has not been refused: many that begin at once would refuse those behind them.
 */
export const createThrottle = (clock: () => number, random: () => number): Throttle => {
  let windows = new Map<LoadClass, Window>()
  const windowOf = (loadClass: LoadClass): Window => {
    const window = windows.get(loadClass) ?? createWindow(clock)
    windows.set(loadClass, window)
    return window
  }
  return {
    admits: (loadClass) => {
      const window = windowOf(loadClass)
      const { calls, accepted } = window.sums()
      const share = (calls - multiple * accepted - unprovenMax) / (calls + 1)
      if (share <= 0 || random() >= Math.min(share, refusedShareMax)) return true
      window.add(false)
      return false
    },
    note: (loadClass, isAccepted) => windowOf(loadClass).add(isAccepted),
    forget: () => {
      windows = new Map()
    },
  }
}

type Sums = { calls: number; accepted: number }

type Window = { add(isAccepted: boolean): void; sums(): Readonly<Sums> }

/** Sums over the last ten seconds, kept as they move, so that nothing is added up for a call. */
const createWindow = (clock: () => number): Window => {
  const total: Sums = { calls: 0, accepted: 0 }
  /** The oldest first; a second without calls has none. */
  const buckets: (Sums & { readonly number: number })[] = []

  const move = (): number => {
    const now = Math.floor(clock() / bucketMs)
    for (let [oldest] = buckets; oldest && oldest.number <= now - bucketsCount; [oldest] = buckets) {
      total.calls -= oldest.calls
      total.accepted -= oldest.accepted
      buckets.shift()
    }
    // Of a clock that was set back: they would not get old. One second ahead is no more than two clocks' difference.
    for (let last = buckets.at(-1); last && last.number > now + 1; last = buckets.at(-1)) {
      total.calls -= last.calls
      total.accepted -= last.accepted
      buckets.pop()
    }
    return now
  }
  const newest = (): Sums => {
    const number = move()
    const last = buckets.at(-1)
    if (last && last.number >= number) return last
    const bucket = { number, calls: 0, accepted: 0 }
    buckets.push(bucket)
    return bucket
  }
  return {
    add: (isAccepted) => {
      for (const sums of [newest(), total]) {
        sums.calls++
        if (isAccepted) sums.accepted++
      }
    },
    sums: () => {
      move()
      return total
    },
  }
}
