import { CronError, cronFields, lastOfMonth, parseCronField } from './cron-field.ts'

/** A cron expression, read: on which days it fires, and when on those. It knows local time only; zones come later. */
export type Cron = {
  /** The minutes since midnight at which it fires on its days, in order, 1 to `startsPerDayMax` of them. */
  readonly minutesOfDay: readonly number[]
  /**
   * The days on which it fires, in order, from `first` to `last` and these among them; told in whole days since
   * 1970-01-01, before which there are none. Takes time by the days between.
   */
  readonly days: (first: number, last: number) => readonly number[]
}

/** An event that starts more often than hourly is none that a player could follow, and each start costs its readers. */
export const startsPerDayMax = 24

/** More than any expression within the other bounds needs. */
export const cronCharactersMax = 256

const dayMs = 86_400_000
const dayMinutes = 1_440

/** The longest that each month gets. */
const monthDays = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/**
 * Reads five fields, `minute hour day-of-month month day-of-week`, set apart by spaces.
 *
 * Where both day fields restrict, a day on which either fits will do; else both must fit. A field that begins with `*`,
 * whatever its step, does not restrict. So `0 0 1 * MON` fires on the first and on Mondays.
 * @returns the fault, which names the field and says why, for whatever the grammar does not know, for more starts a day
 * than `startsPerDayMax`, and for an expression that never fires
 * @see docs/schedules.md for the grammar
 */
export const parseCron = (text: string): { readonly cron: Cron } | { readonly fault: string } => {
  if (text.length > cronCharactersMax) return { fault: `more than ${cronCharactersMax} characters` }
  const texts = text.split(/ +/)
  if (texts.length !== 5)
    return { fault: `five fields are needed, minute to day of week, and ${texts.length} are there` }
  try {
    return { cron: parseFields(texts) }
  } catch (error) {
    if (error instanceof CronError) return { fault: error.message }
    throw error
  }
}

/**
 * Any two years that can follow each other, of either length and beginning on any weekday, do so within 28 years. So no
 * two starts that are up to a year apart come nearer to each other than they do in these.
 */
const firstDayLooked = Date.UTC(2024, 0) / dayMs
const lastDayLooked = Date.UTC(2024 + 28, 0) / dayMs

/**
 * The fewest minutes of local time between two starts, by the clock on the wall, as if no zone ever changed; exact up to
 * a year. Infinity where the expression fires only once in 28 years. Takes about 0.1 ms.
 */
export const shortestDistanceMinutes = ({ minutesOfDay, days }: Cron): number => {
  const first = minutesOfDay[0] ?? 0
  const last = minutesOfDay.at(-1) ?? 0
  let shortest = Number.POSITIVE_INFINITY
  for (const [index, minuteOfDay] of minutesOfDay.entries())
    shortest = Math.min(shortest, minuteOfDay - (minutesOfDay[index - 1] ?? Number.NEGATIVE_INFINITY))
  let previousDay = Number.NEGATIVE_INFINITY
  for (const day of days(firstDayLooked, lastDayLooked)) {
    shortest = Math.min(shortest, (day - previousDay) * dayMinutes + first - last)
    previousDay = day
  }
  return shortest
}

const parseFields = ([
  minuteText = '',
  hourText = '',
  dayText = '',
  monthText = '',
  weekdayText = '',
]: string[]): Cron => {
  const minutes = parseCronField(cronFields.minute, minuteText)
  const hours = parseCronField(cronFields.hour, hourText)
  const days = parseCronField(cronFields.dayOfMonth, dayText)
  const months = parseCronField(cronFields.month, monthText)
  const weekdays = new Set([...parseCronField(cronFields.dayOfWeek, weekdayText)].map((weekday) => weekday % 7))
  const starts = minutes.size * hours.size
  if (starts > startsPerDayMax)
    throw new CronError(`minute and hour: ${starts} starts a day, and ${startsPerDayMax} are the most`)
  const eitherDay = !dayText.startsWith('*') && !weekdayText.startsWith('*')
  if (!eitherDay && !comes(days, months)) throw new CronError('day of month: none of its months has such a day')
  const minutesOfDay = [...hours].flatMap((hour) => [...minutes].map((minute) => hour * 60 + minute))
  return {
    minutesOfDay: minutesOfDay.sort((a, b) => a - b),
    days: firingDays({ days, months, weekdays, eitherDay }),
  }
}

/** Whether any of the months ever has any of the days. */
const comes = (days: ReadonlySet<number>, months: ReadonlySet<number>): boolean =>
  days.has(lastOfMonth) || [...months].some((month) => Math.min(...days) <= (monthDays[month - 1] ?? 0))

type DayFields = {
  readonly days: ReadonlySet<number>
  readonly months: ReadonlySet<number>
  readonly weekdays: ReadonlySet<number>
  readonly eitherDay: boolean
}

/** Month by month, so that the calendar is asked once a month, and a month that is not meant is skipped whole. */
const firingDays = ({ days, months, weekdays, eitherDay }: DayFields) => {
  const lastFits = days.has(lastOfMonth)
  // An array is read in a fraction of the time that a set takes, and 28 years have ten thousand days.
  const dayFits = Array.from({ length: lastOfMonth }, (_, day) => days.has(day))
  const weekdayFits = Array.from({ length: 7 }, (_, weekday) => weekdays.has(weekday))

  return (first: number, last: number): number[] => {
    const found: number[] = []
    for (let month = monthOf(Math.max(first, 0)); firstOfMonth(month) <= last; month++) {
      if (!months.has((month % 12) + 1)) continue
      const start = firstOfMonth(month)
      const end = firstOfMonth(month + 1)
      for (let day = Math.max(start, first); day < end && day <= last; day++) {
        const byDay = dayFits[day - start + 1] || (lastFits && day === end - 1)
        const byWeekday = weekdayFits[(day + weekdayOfDay0) % 7]
        if (eitherDay ? byDay || byWeekday : byDay && byWeekday) found.push(day)
      }
    }
    return found
  }
}

/** The month that a day is in, told in months since January 1970. */
const monthOf = (day: number): number => {
  const date = new Date(day * dayMs)
  return (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth()
}

const firstOfMonth = (month: number): number => Date.UTC(1970, month) / dayMs

/** 1970-01-01 was a Thursday. */
const weekdayOfDay0 = 4
