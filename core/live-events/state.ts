import type { Run } from '#contract/evaluate/schedule.ts'
import type { RunState } from '#contract/live-events.ts'

/** What a run is at a moment, ms since 1970: its start belongs to it, its end does not. */
export const stateOf = ({ startsAt, endsAt }: Pick<Run, 'startsAt' | 'endsAt'>, now: number): RunState => {
  if (now < startsAt) return 'upcoming'
  return now < endsAt ? 'active' : 'ended'
}
