import * as z from 'zod'
import { timeSchema } from '#contract/scalars.ts'

export const scheduleSchema = z.strictObject({ start: timeSchema, end: timeSchema, run: z.int().min(1).default(1) })
export type Schedule = z.output<typeof scheduleSchema>
export type Run = { readonly runId: string; readonly startsAt: number; readonly endsAt: number }
export type Timetable = {
  between(range: { readonly from: number; readonly to: number; readonly max: number }): Run[]
  find(runId: string): Run | undefined
}

export const createTimetable = (eventKey: string, { start, end, run }: Schedule): Timetable => {
  const only = { runId: `${eventKey}.${run}`, startsAt: Date.parse(start), endsAt: Date.parse(end) }
  return {
    between: ({ from, to }) => (only.endsAt > from && only.startsAt < to ? [only] : []),
    find: (runId) => (runId === only.runId ? only : undefined),
  }
}
