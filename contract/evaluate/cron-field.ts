/** One of the five fields of a cron expression: what it counts, and from where to where. */
export type CronField = {
  readonly name: string
  readonly min: number
  readonly max: number
  /** Names of values, the first of them for `min`. */
  readonly names?: readonly string[]
}

const monthNames = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
const weekdayNames = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']

/** The five fields, in the order in which they are written. */
export const cronFields = {
  minute: { name: 'minute', min: 0, max: 59 },
  hour: { name: 'hour', min: 0, max: 23 },
  dayOfMonth: { name: 'day of month', min: 1, max: 31 },
  month: { name: 'month', min: 1, max: 12, names: monthNames },
  /** Sunday is 0 and 7. */
  dayOfWeek: { name: 'day of week', min: 0, max: 7, names: weekdayNames },
} satisfies Record<string, CronField>

/** Stands for `L` among the days of a month: above every real one. */
export const lastOfMonth = 32

/** What is wrong with a cron expression; its message names the field and says why. */
export class CronError extends Error {}

/**
 * The values that the text of a field lists: items between commas, each of them `*`, a value, a range, one of the two
 * with a step, or `L` as a day of a month.
 * @throws CronError for anything else
 */
export const parseCronField = (field: CronField, text: string): Set<number> =>
  new Set(text.split(',').flatMap((item) => parseItem(field, item)))

const itemPattern = /^(?:\*|(?<first>[0-9A-Za-z]+)(?:-(?<last>[0-9A-Za-z]+))?)(?:\/(?<step>[0-9]+))?$/

const parseItem = (field: CronField, item: string): number[] => {
  if (field === cronFields.dayOfMonth && item.toUpperCase() === 'L') return [lastOfMonth]
  const { first, last, step } = itemPattern.exec(item)?.groups ?? refuse(field, `"${item}" is not understood`)
  if (first !== undefined && last === undefined) {
    if (step !== undefined) refuse(field, `"${item}" has a step, which only * or a range may have`)
    return [parseValue(field, first)]
  }
  const from = first === undefined ? field.min : parseValue(field, first)
  const to = last === undefined ? field.max : parseValue(field, last)
  if (from > to) refuse(field, `"${item}" runs backwards`)
  const by = Number(step ?? 1)
  if (by < 1 || by > field.max) refuse(field, `the step of "${item}" is not from 1 to ${field.max}`)
  return Array.from({ length: Math.floor((to - from) / by) + 1 }, (_, index) => from + index * by)
}

const parseValue = (field: CronField, text: string): number => {
  const named = field.names?.indexOf(text.toUpperCase()) ?? -1
  if (named >= 0) return field.min + named
  if (!/^[0-9]{1,2}$/.test(text)) return refuse(field, `"${text}" is not understood`)
  const value = Number(text)
  if (value < field.min || value > field.max) refuse(field, `${value} is not from ${field.min} to ${field.max}`)
  return value
}

const refuse = (field: CronField, why: string): never => {
  throw new CronError(`${field.name}: ${why}`)
}
