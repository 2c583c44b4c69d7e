/** Where the local time of a zone lies in time. */
export type LocalClock = {
  /**
   * The instant, in ms since 1970, of a local time, which is given in ms since 1970 as if the zone were UTC.
   * A time that the zone skips moves ahead by what is skipped; one that it has twice is the first of the two.
   */
  toInstant(localMs: number): number
}

/** All the zones of one deployment's events, and more; a formatter is some tens of kilobytes. */
const clocksMax = 64

/** By the name, the one that was used last at the end. */
const clocks = new Map<string, LocalClock>()

/**
 * The clock of an IANA zone. Clocks are kept, so that asking again costs a look-up.
 * @throws RangeError for a name that this runtime does not know; `isTimeZone` tells beforehand
 */
export const localClock = (timeZone: string): LocalClock => {
  const clock = clocks.get(timeZone) ?? createLocalClock(timeZone)
  clocks.delete(timeZone)
  clocks.set(timeZone, clock)
  const [oldest] = clocks.keys()
  if (clocks.size > clocksMax && oldest !== undefined) clocks.delete(oldest)
  return clock
}

/**
 * Whether a name is an IANA zone that this runtime knows, in any case. An offset such as `+02:00` is none: it never
 * changes, and who writes it means a place.
 */
export const isTimeZone = (name: string): boolean => {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name)) return false
  try {
    localClock(name)
    return true
  } catch {
    return false
  }
}

const dayMs = 86_400_000

/**
 * Local days are looked at four at once. With a day on either side, for no zone is further than a day from UTC, that is six
 * days, and since 1970 no zone has changed its offset twice within six days (`test/time-zone.test.ts`).
 */
const blockMs = 4 * dayMs

/** The widest range with the longest run on either side is 1,132 days. */
const blocksMax = 512

/** The offsets in ms before and after `changesAt`, an instant; where nothing changes they are the same. */
type Block = { readonly before: number; readonly after: number; readonly changesAt: number }

const createLocalClock = (timeZone: string): LocalClock => {
  const offsetAt = offsetReader(timeZone)
  const blocks = new Map<number, Block>()

  const blockOf = (index: number): Block => {
    const kept = blocks.get(index)
    if (kept) return kept
    if (blocks.size >= blocksMax) blocks.clear()
    const block = readBlock(offsetAt, index)
    blocks.set(index, block)
    return block
  }
  return {
    toInstant: (localMs) => {
      const { before, after, changesAt } = blockOf(Math.floor(localMs / blockMs))
      const asBefore = localMs - before
      if (asBefore < changesAt) return asBefore
      const asAfter = localMs - after
      return asAfter < changesAt ? asBefore : asAfter
    },
  }
}

const readBlock = (offsetAt: (instant: number) => number, index: number): Block => {
  let low = index * blockMs - dayMs
  let high = (index + 1) * blockMs + dayMs
  const before = offsetAt(low)
  const after = offsetAt(high)
  if (before === after) return { before, after, changesAt: Number.POSITIVE_INFINITY }
  while (high - low > 1_000) {
    const middle = Math.floor((low + high) / 2_000) * 1_000
    if (offsetAt(middle) === before) low = middle
    else high = middle
  }
  return { before, after, changesAt: high }
}

/** Reads a zone's offset in ms at an instant; about a microsecond. */
const offsetReader = (timeZone: string) => {
  const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' })
  return (instant: number): number => {
    const text = format.format(instant)
    const groups = /GMT(?:(?<sign>[+-])(?<hours>\d\d):(?<minutes>\d\d)(?::(?<seconds>\d\d))?)?$/.exec(text)?.groups
    if (!groups) throw new Error(`no offset in "${text}"`)
    const { sign = '+', hours = 0, minutes = 0, seconds = 0 } = groups
    const offsetMs = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1_000
    return sign === '-' ? -offsetMs : offsetMs
  }
}
