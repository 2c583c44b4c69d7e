import type { Run, Schedule } from '#contract/evaluate/schedule.ts'

/** A schedule of recurring kind. */
export type Recurring = Extract<Schedule, { cron: string }>

const minuteMs = 60_000
const dayMs = 86_400_000

/**
 * What `between` has to tell of a recurring schedule, found in the slowest and plainest way: the clock on the wall is read
 * at every minute, and each reading is held against the cron. For offsets of whole minutes, as all are since 1973.
 */
export const referenceRuns = (
  schedule: Recurring,
  range: { readonly from: number; readonly to: number },
): Omit<Run, 'runId'>[] => {
  const durationMs = schedule.durationMinutes * minuteMs
  // Two days more on either side: a start moves by a day at the most, and a run is cut by the next one.
  const begin = Math.floor((range.from - durationMs) / dayMs - 2) * dayMs
  const starts = new Set<number>()
  const clock = wallClock(schedule.timeZone)
  let awaited = clock(begin)
  for (let instant = begin; instant < range.to + durationMs + 2 * dayMs; instant += minuteMs) {
    const shown = clock(instant)
    // What the wall skips fires as much later as it would have; what it shows again has fired.
    for (let wallMs = awaited; wallMs < shown; wallMs += minuteMs)
      if (isTime(schedule.cron, wallMs)) starts.add(instant + wallMs - awaited)
    if (shown >= awaited && isTime(schedule.cron, shown)) starts.add(instant)
    awaited = Math.max(awaited, shown + minuteMs)
  }
  const first = Date.parse(schedule.from ?? '1970-01-01T00:00:00.000Z')
  const until = Date.parse(schedule.until ?? '9999-12-31T23:59:59.999Z')
  const counted = [...starts].filter((start) => start >= first && start < until).sort((a, b) => a - b)
  return counted
    .map((startsAt, index) => ({
      startsAt,
      endsAt: Math.min(startsAt + durationMs, counted[index + 1] ?? Number.POSITIVE_INFINITY),
    }))
    .filter(({ startsAt, endsAt }) => endsAt > range.from && startsAt < range.to)
}

/** What the wall shows at an instant, in ms as if it were UTC. */
const wallClock = (timeZone: string) => {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  })
  return (instant: number): number => {
    const [month = 0, day = 0, year = 0, hour = 0, minute = 0] = (format.format(instant).match(/\d+/g) ?? []).map(
      Number,
    )
    return Date.UTC(year, month - 1, day, hour, minute)
  }
}

/** Whether a cron that is known to be right fires at a time on the wall. */
const isTime = (cron: string, wallMs: number): boolean => {
  const [minutes = '', hours = '', days = '', months = '', weekdays = ''] = cron.toUpperCase().split(' ')
  const wall = new Date(wallMs)
  if (!fits(minutes, wall.getUTCMinutes()) || !fits(hours, wall.getUTCHours())) return false
  if (!fits(months, wall.getUTCMonth() + 1, { lowest: 1, names: monthNames })) return false
  const isLast = new Date(wallMs + dayMs).getUTCDate() === 1
  const dayFits = fits(days, wall.getUTCDate(), { lowest: 1 }) || (isLast && days.split(',').includes('L'))
  const weekday = wall.getUTCDay()
  const names = weekdayNames
  const weekdayFits = fits(weekdays, weekday, { names }) || (weekday === 0 && fits(weekdays, 7, { names }))
  return days.startsWith('*') || weekdays.startsWith('*') ? dayFits && weekdayFits : dayFits || weekdayFits
}

const monthNames = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
const weekdayNames = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']

const fits = (text: string, value: number, { lowest = 0, names = [] }: { lowest?: number; names?: string[] } = {}) =>
  text.split(',').some((item) => {
    const [range = '', step = '1'] = item.split('/')
    const numbers = range.split('-').map((part) => (names.includes(part) ? names.indexOf(part) + lowest : Number(part)))
    const [from = lowest, to = from] = range === '*' ? [lowest, Number.POSITIVE_INFINITY] : numbers
    return value >= from && value <= to && (value - from) % Number(step) === 0
  })
