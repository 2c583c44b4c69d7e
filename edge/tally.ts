import type { Log, LogFields } from '#infra/log.ts'

/** Counts what is too frequent for a line of its own, by name. */
export type Tally = (name: string) => void

/** Counts are told once in this time at the most, with the first that comes after it. */
const tellMs = 1_000

/**
 * A counter of the edge, in the form in which all of them leave: a line `counter` with the metric's name, attributes, and as its value
 * how often since the line before. What an isolate has counted after its last line is lost with it.
 *
 * @param metric what is counted, by the name that it has everywhere: `perigee.cache.answers`
 * @param attributesOf what a counted name stands for; an attribute `name` where it is absent
 */
export const createTally = (
  log: Log,
  metric: string,
  clock: () => number,
  attributesOf: (name: string) => LogFields = (name) => ({ name }),
): Tally => {
  let counts = new Map<string, number>()
  let toldAt = 0
  return (name) => {
    counts.set(name, (counts.get(name) ?? 0) + 1)
    if (clock() - toldAt < tellMs) return
    for (const [counted, value] of counts) log.info('counter', { metric, value, ...attributesOf(counted) })
    counts = new Map()
    toldAt = clock()
  }
}
