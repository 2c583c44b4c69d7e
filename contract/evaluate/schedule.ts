import * as z from 'zod'
import { timeSchema } from '#contract/scalars.ts'
import { parseCron, shortestDistanceMinutes } from './cron.ts'
import { createStarts } from './starts.ts'
import { isTimeZone } from './time-zone.ts'

const dayMs = 86_400_000
const minuteMs = 60_000

/** A year with its leap day: what lasts longer is no event but a state of the game. */
const durationMinutesMax = 60 * 24 * 366

const fixedSchema = z.strictObject({
  start: timeSchema,
  end: timeSchema,
  /** Which time this is: raised when the event is held again, kept when it is moved. */
  run: z.int().min(1).default(1),
})

const recurringSchema = z.strictObject({
  timeZone: z.string().refine(isTimeZone, 'not the name of an IANA time zone such as Europe/Berlin'),
  /** Minute, hour, day of month, month, day of week, in local time. */
  cron: z.string().superRefine((text, ctx) => {
    const read = parseCron(text)
    if ('fault' in read) ctx.addIssue({ code: 'custom', message: read.fault })
  }),
  durationMinutes: z.int().min(1).max(durationMinutesMax),
  /** The first moment at which a run may start. */
  from: timeSchema.optional(),
  /** The first moment at which a run may start no more. */
  until: timeSchema.optional(),
})

const shapeSchema = z.union([fixedSchema, recurringSchema])

const wholeFixedSchema = fixedSchema.superRefine(({ start, end }, ctx) => {
  if (Date.parse(end) <= Date.parse(start)) ctx.addIssue({ code: 'custom', path: ['end'], message: 'not after start' })
})

const wholeRecurringSchema = recurringSchema.superRefine(({ cron, durationMinutes, from, until }, ctx) => {
  const read = parseCron(cron)
  const shortest = 'cron' in read ? shortestDistanceMinutes(read.cron) : Number.POSITIVE_INFINITY
  const message = `runs would overlap: two starts are ${shortest} minutes apart`
  if (durationMinutes > shortest) ctx.addIssue({ code: 'custom', path: ['durationMinutes'], message })
  if (from !== undefined && until !== undefined && Date.parse(until) <= Date.parse(from))
    ctx.addIssue({ code: 'custom', path: ['until'], message: 'not after from' })
})

/**
 * When a live event is on: once from `start` to `end`, or again and again by a cron in a zone's local time. Every fault
 * points at the member that is wrong, which a union alone could not: what has a member that only a recurring schedule has
 * is judged as one. That takes about 0.1 ms, so a schedule is parsed where it is written, and trusted after.
 * @see docs/schedules.md
 */
export const scheduleSchema = z.preprocess((value: z.input<typeof shapeSchema>, ctx) => {
  const { error } = (isRecurring(value) ? wholeRecurringSchema : wholeFixedSchema).safeParse(value)
  for (const issue of error?.issues ?? []) ctx.addIssue({ ...issue })
  return value
}, shapeSchema)

const isRecurring = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && ['timeZone', 'cron', 'durationMinutes'].some((key) => key in value)

/** A schedule that `scheduleSchema` has let through. */
export type Schedule = z.output<typeof scheduleSchema>

/** One time that an event is held: from `startsAt`, in ms since 1970, until just before `endsAt`. */
export type Run = { readonly runId: string; readonly startsAt: number; readonly endsAt: number }

/** The runs of an event, computed, never stored. */
export type Timetable = {
  /**
   * The runs with `endsAt > from` and `startsAt < to`, by their start, the first `max` of them. Times are in ms since
   * 1970. A range that is longer than 400 days is cut there. Takes time by the days of the range and of two durations.
   */
  between(range: { readonly from: number; readonly to: number; readonly max: number }): Run[]
  /**
   * The run that an id names, as `between` tells it, however long ago or far ahead. Undefined for an id that this schedule
   * does not have: of another event, another `run` of a fixed schedule, or a moment at which nothing starts.
   */
  find(runId: string): Run | undefined
}

/** More than anybody plans ahead or looks back; the work of a call is bounded by it. */
const rangeMsMax = 400 * dayMs

/**
 * The timetable of the event that has this key. Of the zone it holds the name alone, so thousands of them are cheap.
 * @throws RangeError where this runtime does not know the zone, as one whose zones are older than the author's may not
 */
export const createTimetable = (eventKey: string, schedule: Schedule): Timetable => {
  const { between, find } =
    'start' in schedule ? fixedTimetable(eventKey, schedule) : recurringTimetable(eventKey, schedule)
  return {
    between: ({ from, to, max }) => between({ from, to: Math.min(to, from + rangeMsMax), max }),
    find,
  }
}

const fixedTimetable = (eventKey: string, { start, end, run }: z.output<typeof fixedSchema>): Timetable => {
  const only: Run = { runId: `${eventKey}.${run}`, startsAt: Date.parse(start), endsAt: Date.parse(end) }
  return {
    between: ({ from, to, max }) => (only.endsAt > from && only.startsAt < to ? [only].slice(0, max) : []),
    find: (runId) => (runId === only.runId ? only : undefined),
  }
}

/** A run's id has room for four digits of the year. */
const lastMoment = '9999-12-31T23:59:59.999Z'

const recurringTimetable = (eventKey: string, schedule: z.output<typeof recurringSchema>): Timetable => {
  const { timeZone, cron, durationMinutes, from: earliest, until = lastMoment } = schedule
  const durationMs = durationMinutes * minuteMs
  const first = earliest === undefined ? Number.NEGATIVE_INFINITY : Date.parse(earliest)
  const startsBetween = createStarts({ cron, timeZone, first, end: Date.parse(until) })

  /** The runs that start from `from` on and before `to`, each cut where the next one begins. */
  function* runsBetween(from: number, to: number) {
    let startsAt: number | undefined
    for (const next of startsBetween(from, to + durationMs)) {
      if (startsAt !== undefined) yield { startsAt, endsAt: Math.min(startsAt + durationMs, next) }
      if (next >= to) return
      startsAt = next
    }
    if (startsAt !== undefined) yield { startsAt, endsAt: startsAt + durationMs }
  }
  return {
    between: ({ from, to, max }) => {
      const runs: Run[] = []
      for (const run of runsBetween(from - durationMs, to)) {
        if (runs.length >= max) break
        if (run.endsAt > from) runs.push({ runId: `${eventKey}.${timeInId(run.startsAt)}`, ...run })
      }
      return runs
    },
    find: (runId) => {
      const startsAt = runId.startsWith(`${eventKey}.`) ? startInId(runId.slice(eventKey.length + 1)) : undefined
      if (startsAt === undefined) return undefined
      for (const run of runsBetween(startsAt, startsAt + 1)) return { runId, ...run }
      return undefined
    },
  }
}

/** `20261127T180000Z`. By its parts, because `toISOString` would take most of the time of `between`. */
const timeInId = (instant: number): string => {
  const time = new Date(instant)
  const date = `${time.getUTCFullYear()}${two(time.getUTCMonth() + 1)}${two(time.getUTCDate())}`
  return `${date}T${two(time.getUTCHours())}${two(time.getUTCMinutes())}${two(time.getUTCSeconds())}Z`
}

const two = (value: number) => (value < 10 ? `0${value}` : `${value}`)

/** Undefined for what no start is written as, and for a 30 February, which would be read as a day in March. */
const startInId = (text: string): number | undefined => {
  const [, date = '', hours, minutes, seconds] = /^(\d{8})T(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? []
  const day = `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}`
  const instant = Date.parse(`${day}T${hours}:${minutes}:${seconds}.000Z`)
  return !Number.isNaN(instant) && timeInId(instant) === text ? instant : undefined
}
