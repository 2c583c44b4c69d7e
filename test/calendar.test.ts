import fc from 'fast-check'
import { expect, test } from 'vitest'
import { prepareLiveEvents } from '#contract/evaluate/calendar.ts'
import { liveEventsDocumentSchema } from '#contract/evaluate/live-events-document.ts'
import { createTimetable } from '#contract/evaluate/schedule.ts'
import { ranges, schedules } from './schedule-arbitraries.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs

test('what is on is what the timetables say, however a clock came to the moment', () => {
  fc.assert(
    fc.property(
      fc.array(schedules, { minLength: 1, maxLength: 4 }),
      ranges,
      fc.array(fc.oneof(fc.nat(2 * hourMs), fc.integer({ min: -hourMs, max: 40 * hourMs })), { maxLength: 60 }),
      (drawn, { from }, paces) => {
        const events = Object.fromEntries(drawn.map((schedule, at) => [`e${at}`, { title: 'Event', schedule }]))
        const calendar = prepareLiveEvents(liveEventsDocumentSchema.parse({ events }))
        const timetables = drawn.map((schedule, at) => createTimetable(`e${at}`, schedule))
        let now = from
        for (const pace of paces) {
          const on = timetables.flatMap((timetable) => timetable.between({ from: now, to: now + 1, max: 1 }))
          const active = calendar.activeAt(now)
          expect(active.runs.map(({ run }) => run)).toEqual(on)
          expect(active.until).toBeGreaterThan(now)
          // As often the moment at which something changes as any other.
          now = pace % 2 === 0 ? Math.min(active.until, now + 40 * hourMs) : now + pace
        }
      },
    ),
  )
})

test('five hundred events that begin in turn are worked out a few times a day, and not at each change', () => {
  const events = Object.fromEntries(
    Array.from({ length: 500 }, (_, at) => [
      `e${at}`,
      { title: 'Event', schedule: { timeZone: 'Europe/Berlin', cron: `${at % 60} * * * *`, durationMinutes: 30 } },
    ]),
  )
  const calendar = prepareLiveEvents(liveEventsDocumentSchema.parse({ events }))
  const begin = Date.UTC(2026, 10, 28)
  const msOf = (now: number) => {
    const startedAt = performance.now()
    expect(calendar.activeAt(now).runs.length).toBeGreaterThan(200)
    return performance.now() - startedAt
  }
  const first = msOf(begin)
  const others = Array.from({ length: 60 }, (_, minute) => msOf(begin + (minute + 1) * minuteMs)).sort((a, b) => a - b)
  console.log(`500 events: ${first.toFixed(1)} ms at first, ${others[30]?.toFixed(2)} ms at a change`)
  expect(others[30]).toBeLessThan(first / 4)
})
