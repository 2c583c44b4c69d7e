import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createTimetable, scheduleSchema } from '#contract/evaluate/schedule.ts'
import { inputErrorsOf } from '#contract/problem.ts'
import { seed } from './guarantee.ts'
import { ranges, schedules } from './schedule-arbitraries.ts'
import { referenceRuns } from './schedule-reference.ts'
import { daily, readVectors } from './schedule-vectors.ts'
import { answerQuestion } from './schedule-worker.ts'

const dayMs = 86_400_000

const { timetables, refused } = await readVectors()

test.for(timetables)('$name', ({ question, answer }) => {
  expect(answerQuestion(question)).toEqual(answer)
})

test('a schedule that cannot be held is refused, and every fault points at its member', () => {
  for (const { schedule, pointers } of refused) {
    const { error } = scheduleSchema.safeParse(schedule)
    const found = new Set((error ? inputErrorsOf(error, 'body') : []).map(({ pointer }) => pointer))
    expect({ schedule, pointers: [...found].sort() }).toEqual({ schedule, pointers: pointers.toSorted() })
  }
})

test('a fault of a cron says which field is wrong, and why', () => {
  const faultOf = (cron: string) => scheduleSchema.safeParse({ ...daily, cron }).error?.issues[0]?.message
  expect(faultOf('0 0 * *')).toBe('five fields are needed, minute to day of week, and 4 are there')
  expect(faultOf('60 0 * * *')).toBe('minute: 60 is not from 0 to 59')
  expect(faultOf('0 0 * * FRI-SUN')).toBe('day of week: "FRI-SUN" runs backwards')
  expect(faultOf('0 5/2 * * *')).toBe('hour: "5/2" has a step, which only * or a range may have')
  expect(faultOf('*/5 * * * *')).toBe('minute and hour: 288 starts a day, and 24 are the most')
  expect(faultOf('0 0 30 FEB *')).toBe('day of month: none of its months has such a day')
})

test('no text of a cron or a zone breaks the parser, and a cron that it takes fires', () => {
  const field = fc.oneof(
    { weight: 2, arbitrary: fc.constant('*') },
    fc.string({ unit: fc.constantFrom(...'0123456789*/-,LJANMO'), minLength: 1, maxLength: 3 }),
  )
  const number = fc.oneof(fc.nat(24).map(String), field)
  const fields = fc.tuple(number, number, field, field, field).map((texts) => texts.join(' '))
  const crons = fc.oneof(fc.string(), { weight: 3, arbitrary: fields })
  let taken = 0
  const property = fc.property(crons, fc.string(), (cron, timeZone) => {
    expect(scheduleSchema.safeParse({ ...daily, timeZone }).success).toBe(isZone(timeZone))
    const { data } = scheduleSchema.safeParse({ timeZone: 'UTC', cron, durationMinutes: 1 })
    if (!data) return
    taken++
    const { between } = createTimetable('cup', data)
    // 29 February on a certain weekday can take 28 years to come.
    const years = Array.from({ length: 28 }, (_, year) => Date.UTC(1970 + year, 0))
    const fires = years.some((from) => between({ from, to: from + 366 * dayMs, max: 1 }).length === 1)
    expect([cron, fires]).toEqual([cron, true])
  })
  fc.assert(property, { seed, numRuns: 1_000 })
  expect(taken).toBeGreaterThan(20)
})

const isZone = (name: string): boolean => {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name })
    return /^[A-Z]/i.test(name)
  } catch {
    return false
  }
}

test('the runs are those that a clock on the wall shows, minute by minute', () => {
  const property = fc.property(schedules, ranges, (schedule, range) => {
    const runs = createTimetable('cup', schedule).between({ ...range, max: Number.POSITIVE_INFINITY })
    const told = runs.map(({ startsAt, endsAt }) => ({ startsAt, endsAt }))
    expect(told).toEqual(referenceRuns(schedule, range))
  })
  fc.assert(property, { seed, numRuns: 60 })
})

test('runs are in order, never overlap, do not depend on how a range is cut, and are found by their ids', () => {
  const cuts = fc.double({ min: 0, max: 1, noNaN: true })
  const property = fc.property(schedules, ranges, cuts, fc.nat(9), (schedule, { from, to }, cut, max) => {
    const { between, find } = createTimetable('cup', schedule)
    const runs = between({ from, to, max: Number.POSITIVE_INFINITY })
    for (const [index, run] of runs.entries()) {
      expect(run.endsAt).toBeGreaterThan(run.startsAt)
      expect(run.startsAt).toBeGreaterThanOrEqual(runs[index - 1]?.endsAt ?? 0)
      expect(find(run.runId)).toEqual(run)
    }
    const middle = Math.floor(from + (to - from) * cut)
    const parts = [
      { from, to: middle },
      { from: middle, to },
    ]
    const inParts = parts.flatMap((part) => between({ ...part, max: Number.POSITIVE_INFINITY }))
    expect([...new Map(inParts.map((run) => [run.runId, run])).values()]).toEqual(runs)
    expect(between({ from, to, max })).toEqual(runs.slice(0, max))
  })
  fc.assert(property, { seed, numRuns: 300 })
})
