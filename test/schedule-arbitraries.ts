import fc from 'fast-check'
import { scheduleSchema } from '#contract/evaluate/schedule.ts'
import type { Recurring } from './schedule-reference.ts'

const dayMs = 86_400_000

/** Zones that differ in what they change by, when in the year and the day, and whether at all. */
const zones = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/Sao_Paulo',
  'America/Havana',
  'Asia/Beirut',
  'Asia/Kathmandu',
  'Africa/Casablanca',
  'Antarctica/Troll',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Pacific/Chatham',
]

/** When these zones changed, or would have if they had: the moments at which the runs are worth looking at. */
const changes = [
  '2011-12-30T10:00:00.000Z',
  '2018-11-04T03:00:00.000Z',
  '2026-03-08T07:00:00.000Z',
  '2026-03-29T01:00:00.000Z',
  '2026-04-04T15:00:00.000Z',
  '2026-10-03T15:30:00.000Z',
  '2026-10-25T01:00:00.000Z',
  '2026-11-01T05:00:00.000Z',
  '2028-02-29T00:00:00.000Z',
]

/** A moment, in ms since 1970, up to three days from one at which a zone changed. */
const moments = fc
  .tuple(fc.constantFrom(...changes), fc.integer({ min: -3 * dayMs, max: 3 * dayMs }))
  .map(([change, distanceMs]) => Date.parse(change) + distanceMs)

/** Up to three days, without a liking for none. */
const distances = fc.noBias(fc.nat(3 * dayMs))

/** Up to six days, within which is the moment of a change. */
export const ranges = fc
  .record({ change: fc.constantFrom(...changes), before: distances, after: distances })
  .map(({ change, before, after }) => ({ from: Date.parse(change) - before, to: Date.parse(change) + after }))

const steps = (min: number, max: number) =>
  fc
    .tuple(fc.integer({ min, max }), fc.integer({ min, max }), fc.integer({ min: 1, max: 5 }))
    .map(([a, b, step]) => `${Math.min(a, b)}-${Math.max(a, b)}/${step}`)

const lists = (min: number, max: number, maxLength: number) =>
  fc.uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength }).map((values) => values.join(','))

const unrestrictedOr = (...others: fc.Arbitrary<string>[]) =>
  fc.oneof({ weight: 8, arbitrary: fc.constant('*') }, ...others)

/** Mostly unrestricted days, so that most ranges have runs. */
const crons = fc
  .record({
    minutes: lists(0, 59, 3),
    // Zones change in the hours of the night.
    hours: fc.oneof(lists(0, 4, 4), lists(0, 23, 4), steps(0, 7), fc.constantFrom('*/3', '0', '23', '2')),
    days: unrestrictedOr(lists(1, 28, 3), steps(1, 31), fc.constantFrom('L', '*/2', '1,L')),
    months: unrestrictedOr(steps(1, 12), fc.constantFrom('JAN-JUN', 'feb,3,OCT')),
    weekdays: unrestrictedOr(steps(0, 7), fc.constantFrom('SAT,7', 'mon-FRI', '*/3')),
  })
  .map(({ minutes, hours, days, months, weekdays }) => `${minutes} ${hours} ${days} ${months} ${weekdays}`)

/** Schedules that `scheduleSchema` takes, of recurring kind. */
export const schedules = fc
  .record({
    timeZone: fc.constantFrom(...zones),
    cron: crons,
    durationMinutes: fc.oneof(fc.integer({ min: 1, max: 1_440 }), fc.constant(1_440)),
    fromMs: fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, moments),
    lengthMs: fc.option(fc.integer({ min: 1, max: 9 * dayMs })),
  })
  .map(({ fromMs, lengthMs, ...recurring }) => {
    const from = fromMs === null ? undefined : new Date(fromMs).toISOString()
    const until = fromMs === null || lengthMs === null ? undefined : new Date(fromMs + lengthMs).toISOString()
    return shortened({ ...recurring, from, until })
  })
  .filter((schedule) => schedule !== undefined)

/** With the longest duration, up to its own, that lets no runs overlap; undefined where even a minute will not do. */
const shortened = (schedule: Recurring): Recurring | undefined => {
  const isTaken = (durationMinutes: number) => scheduleSchema.safeParse({ ...schedule, durationMinutes }).success
  let taken = 0
  let tried = schedule.durationMinutes
  while (tried > taken) {
    const middle = Math.ceil((taken + tried) / 2)
    if (isTaken(middle)) taken = middle
    else tried = middle - 1
  }
  return taken === 0 ? undefined : { ...schedule, durationMinutes: taken }
}
