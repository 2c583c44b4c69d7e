import type { Log } from '#infra/log.ts'

/** Counts what is too frequent for a line of its own, by name. */
export type Tally = (name: string) => void

/** Counts are told once in this time at the most, with the first that comes after it. */
const tellMs = 1_000

/** @param message what is counted; each line says how often since the last one, and of which name */
export const createTally = (log: Log, message: string, clock: () => number): Tally => {
  let counts = new Map<string, number>()
  let toldAt = 0
  return (name) => {
    counts.set(name, (counts.get(name) ?? 0) + 1)
    if (clock() - toldAt < tellMs) return
    for (const [counted, times] of counts) log.info(message, { name: counted, times })
    counts = new Map()
    toldAt = clock()
  }
}
