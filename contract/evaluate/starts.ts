import { type Cron, parseCron } from './cron.ts'
import { localClock } from './time-zone.ts'

/** When something starts again and again: a cron in a zone's local time, and instants in ms between which it counts. */
export type Recurrence = {
  readonly cron: string
  readonly timeZone: string
  /** Starts count from here on. */
  readonly first: number
  /** Starts count before here. */
  readonly end: number
}

/**
 * Tells the starts from `from` on and before `to`, both in ms since 1970, in order and each instant once. Takes time by
 * the days between the two. None is on a local day before 1970, of which zones know too little.
 */
export type StartsBetween = (from: number, to: number) => Iterable<number>

const dayMs = 86_400_000
const minuteMs = 60_000

/**
 * The starts of a recurrence, computed as they are asked for.
 * @throws RangeError where this runtime does not know the zone
 * @throws Error for a cron that `parseCron` refuses
 */
export const createStarts = ({ cron, timeZone, first, end }: Recurrence): StartsBetween => {
  const { days, minutesOfDay } = readCron(cron)
  localClock(timeZone)

  return function* (from, to) {
    const clock = localClock(timeZone)
    const least = Math.max(from, first)
    const below = Math.min(to, end)
    const waiting: number[] = []
    // No zone is as far as a day from UTC, so an instant's local day is the one before its UTC day, that one or the next.
    for (const day of days(Math.floor(least / dayMs) - 1, Math.floor(below / dayMs) + 1)) {
      for (let [next] = waiting; next !== undefined && next < (day - 1) * dayMs; [next] = waiting) {
        yield next
        waiting.shift()
      }
      for (const minuteOfDay of minutesOfDay) {
        const instant = clock.toInstant(day * dayMs + minuteOfDay * minuteMs)
        if (instant >= least && instant < below) insert(waiting, instant)
      }
    }
    yield* waiting
  }
}

/** Into its place, once: what moves over a gap can pass another start, or meet it. */
const insert = (instants: number[], instant: number) => {
  let place = instants.length
  while (place > 0 && (instants[place - 1] ?? 0) > instant) place--
  if (instants[place - 1] !== instant) instants.splice(place, 0, instant)
}

const readCron = (text: string): Cron => {
  const read = parseCron(text)
  if ('fault' in read) throw new Error(`this schedule was not parsed: ${read.fault}`)
  return read.cron
}
