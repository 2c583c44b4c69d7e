import { afterEach, expect, test, vi } from 'vitest'
import { createTimetable } from '#contract/evaluate/schedule.ts'
import { isTimeZone, localClock } from '#contract/evaluate/time-zone.ts'

const minuteMs = 60_000
const dayMs = 86_400_000
const zones = Intl.supportedValuesOf('timeZone')

afterEach(() => vi.unstubAllGlobals())

/** The instants at which a zone's offset changed or will change, in ms since 1970. */
const changesOf = (timeZone: string, { from, to }: { from: string; to: string }): number[] => {
  const changes: number[] = []
  let change = Temporal.Instant.from(from).toZonedDateTimeISO(timeZone).getTimeZoneTransition('next')
  for (; change && change.epochMilliseconds < Date.parse(to); change = change.getTimeZoneTransition('next'))
    changes.push(change.epochMilliseconds)
  return changes
}

test('since 1970 no zone has changed twice within six days, which the clocks rely on', () => {
  for (const timeZone of zones) {
    const changes = changesOf(timeZone, { from: '1969-12-01T00:00:00Z', to: '2100-01-01T00:00:00Z' })
    const distances = changes.slice(1).map((change, index) => change - (changes[index] ?? 0))
    expect([timeZone, Math.min(...distances) > 6 * dayMs]).toEqual([timeZone, true])
  }
})

test('in every zone, local times around each change are the instants that Temporal tells', () => {
  for (const timeZone of zones) {
    const clock = localClock(timeZone)
    for (const change of changesOf(timeZone, { from: '2015-01-01T00:00:00Z', to: '2030-01-01T00:00:00Z' })) {
      const told = aroundChange(timeZone, change).map((local) => [local, clock.toInstant(Date.parse(local))])
      const expected = aroundChange(timeZone, change).map((local) => [local, temporalInstant(timeZone, local)])
      expect([timeZone, ...told]).toEqual([timeZone, ...expected])
    }
  }
})

/** Local times, as if the zone were UTC: what the wall shows before and after a change, and a while to either side. */
const aroundChange = (timeZone: string, change: number): string[] => {
  const shown = [change - 1_000, change].map((instant) => {
    const { offsetNanoseconds } = Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(timeZone)
    return instant + offsetNanoseconds / 1e6
  })
  const distances = [-3 * dayMs, -dayMs, -10 * minuteMs, 0, 10 * minuteMs, dayMs, 3 * dayMs]
  return shown.flatMap((local) => distances.map((distanceMs) => new Date(local + distanceMs).toISOString()))
}

/** What is skipped moves ahead, what comes twice is the first: Temporal calls it compatible. */
const temporalInstant = (timeZone: string, local: string): number => {
  const plain = Temporal.PlainDateTime.from(local.replace('Z', ''))
  return plain.toZonedDateTime(timeZone, { disambiguation: 'compatible' }).epochMilliseconds
}

test('a zone is known by its name in any case, and neither an offset nor a place that is none is a zone', () => {
  for (const name of [...zones, 'utc', 'europe/berlin', 'Etc/GMT+5', 'US/Pacific'])
    expect([name, isTimeZone(name)]).toEqual([name, true])
  for (const name of ['+02:00', '-0500', '', 'Europe', 'Mars/Base', ' UTC', 'UTC+2', 'E'.repeat(1_000)])
    expect([name, isTimeZone(name)]).toEqual([name, false])
  expect(() => localClock('Mars/Base')).toThrow(RangeError)
  expect(() => createTimetable('cup', { timeZone: 'Mars/Base', cron: '0 0 * * *', durationMinutes: 1 })).toThrow(
    RangeError,
  )
})

test('five hundred events of a zone read its offset a dozen times for two weeks, and then no more', () => {
  let made = 0
  let read = 0
  const RealFormat = Intl.DateTimeFormat
  class CountingFormat {
    readonly format: (instant: number) => string
    constructor(locale: string, options: Intl.DateTimeFormatOptions) {
      const real = new RealFormat(locale, options)
      made++
      this.format = (instant) => {
        read++
        return real.format(instant)
      }
    }
  }
  vi.stubGlobal('Intl', { DateTimeFormat: CountingFormat })
  // In this case no other test has asked for it.
  const schedule = { timeZone: 'eUROPE/bERLIN', cron: '0 18 * * *', durationMinutes: 60 }
  const timetables = Array.from({ length: 500 }, (_, index) => createTimetable(`cup-${index}`, schedule))
  const from = Date.parse('2026-11-27T00:00:00.000Z')
  for (const { between } of timetables) expect(between({ from, to: from + 14 * dayMs, max: 100 })).toHaveLength(14)
  expect(made).toBe(1)
  expect(read).toBeLessThanOrEqual(12)
  for (const { between } of timetables) between({ from: from + minuteMs, to: from + 14 * dayMs + minuteMs, max: 100 })
  expect([made, read]).toEqual([1, read])
})
