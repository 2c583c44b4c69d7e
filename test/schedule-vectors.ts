import { readFile } from 'node:fs/promises'
import * as z from 'zod'
import { scheduleSchema } from '#contract/evaluate/schedule.ts'
import { timeSchema } from '#contract/scalars.ts'
import type { TimetableAnswer, TimetableQuestion } from './schedule-worker.ts'

const runIdSchema = z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}\.[0-9TZ]{1,16}$/)
const lengthShape = { start: timeSchema, end: timeSchema }
const vectorsSchema = z.strictObject({
  about: z.array(z.string()),
  timetables: z.array(
    z.strictObject({
      name: z.string(),
      eventKey: z.string(),
      schedule: scheduleSchema,
      between: z.array(
        z.strictObject({
          from: timeSchema,
          to: timeSchema,
          max: z.int().optional(),
          runs: z.array(z.strictObject({ runId: runIdSchema, ...lengthShape })),
        }),
      ),
      find: z.array(z.strictObject({ runId: z.string(), run: z.strictObject(lengthShape).nullable() })),
    }),
  ),
  faults: z.array(z.strictObject({ schedule: z.json(), pointers: z.array(z.string()).min(1) })),
  refusedCrons: z.array(z.string()),
  refusedTimeZones: z.array(z.string()),
})

type Vectors = z.output<typeof vectorsSchema>

/** A schedule that starts once a day and lasts a minute, for what is tried of its cron or zone alone. */
export const daily = { timeZone: 'Europe/Berlin', cron: '0 18 * * *', durationMinutes: 1 }

/** The vectors that every implementation is held to, in the form that ours is asked and answers in. */
export const readVectors = async () => {
  const text = await readFile(new URL('./vectors/schedule.json', import.meta.url), 'utf8')
  const { timetables, faults, refusedCrons, refusedTimeZones } = vectorsSchema.parse(JSON.parse(text))
  return {
    timetables: timetables.map((timetable) => ({
      name: timetable.name,
      question: questionOf(timetable),
      answer: answerOf(timetable),
    })),
    refused: [
      ...faults,
      ...refusedCrons.map((cron) => ({ schedule: { ...daily, cron }, pointers: ['/cron'] })),
      ...refusedTimeZones.map((timeZone) => ({ schedule: { ...daily, timeZone }, pointers: ['/timeZone'] })),
    ],
  }
}

const questionOf = ({ eventKey, schedule, between, find }: Vectors['timetables'][number]): TimetableQuestion => ({
  eventKey,
  schedule,
  between: between.map(({ from, to, max }) => ({ from: Date.parse(from), to: Date.parse(to), max })),
  find: find.map(({ runId }) => runId),
})

const answerOf = ({ between, find }: Vectors['timetables'][number]): TimetableAnswer => ({
  between: between.map(({ runs }) => runs.map(toRun)),
  find: find.map(({ runId, run }) => run && toRun({ runId, ...run })),
})

const toRun = ({ runId, start, end }: { runId: string; start: string; end: string }) => ({
  runId,
  startsAt: Date.parse(start),
  endsAt: Date.parse(end),
})
