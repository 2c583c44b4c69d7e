import { createTimetable, type Run, type Schedule } from '#contract/evaluate/schedule.ts'

/** What a timetable is asked, in ms since 1970; without `max` for all runs. */
export type TimetableQuestion = {
  readonly eventKey: string
  readonly schedule: Schedule
  readonly between: readonly { readonly from: number; readonly to: number; readonly max?: number | undefined }[]
  readonly find: readonly string[]
}

/** The answers, in the order of the questions; null for an id that names no run. */
export type TimetableAnswer = { readonly between: readonly Run[][]; readonly find: readonly (Run | null)[] }

/** What a timetable says to all that it is asked, wherever this runs. */
export const answerQuestion = ({ eventKey, schedule, between, find }: TimetableQuestion): TimetableAnswer => {
  const timetable = createTimetable(eventKey, schedule)
  return {
    between: between.map(({ max = Number.POSITIVE_INFINITY, ...range }) => timetable.between({ ...range, max })),
    find: find.map((runId) => timetable.find(runId) ?? null),
  }
}

/** A Worker that is asked many questions at once, because workerd has zones and a calendar of its own. */
export default {
  fetch: async (req: Request): Promise<Response> => {
    const questions = (await req.json()) as readonly TimetableQuestion[]
    return Response.json(questions.map(answerQuestion))
  },
}
