import { byPriority } from './flags.ts'
import type { LiveEvent, LiveEventsDocument } from './live-events-document.ts'
import { createTimetable, type Run, type Timetable } from './schedule.ts'

/** A run, and the event that it is one of. */
export type EventRun = { readonly key: string; readonly event: LiveEvent; readonly run: Run }

/** The runs that are on, the same object for as long as they are. */
export type Active = { readonly runs: readonly EventRun[]; readonly until: number }

/** The events of a document, made ready. All times are milliseconds since 1970; nothing depends on who asks. */
export type Calendar = {
  /** What is on at a moment, by priority, then key. */
  activeAt(now: number): Active
  /** What a calendar shows at a moment, by start, then key: of each event at most the last run, the present and the next. */
  shownAt(now: number): EventRun[]
  /** The run that an id names, whenever it is; undefined for none of these events. */
  find(runId: string): EventRun | undefined
}

const minuteMs = 60_000
/** How long what a calendar shows is known beforehand. */
const horizonMs = 60 * minuteMs
const dayMs = 24 * 60 * minuteMs
/** The present run and three to come: with them an event that is held each hour is worked out every third. */
const aheadMax = 4
/** Runs in the longest time in which a reward can be claimed, were there one in each of its hours. */
const lookedAtMax = 1_000

/** What a run is at a moment: its start belongs to it, its end does not. It follows from the schedule; nothing flips it. */
export type RunState = 'upcoming' | 'active' | 'ended'

export const stateOf = ({ startsAt, endsAt }: Run, now: number): RunState =>
  now < startsAt ? 'upcoming' : now < endsAt ? 'active' : 'ended'

export const claimUntilOf = ({ event, run }: EventRun): number => run.endsAt + event.claimGraceMinutes * minuteMs

export const prepareLiveEvents = (document: LiveEventsDocument): Calendar => {
  const events = Object.entries(document.events)
    .filter(([, event]) => event.enabled)
    .sort(byPriority)
    .flatMap(entryOf)
  const byKey = new Map(events.map((entry) => [entry.key, entry]))
  let active: Active & { readonly since: number } = { runs: [], since: 0, until: 0 }

  const activeAt: Calendar['activeAt'] = (now) => {
    if (now >= active.since && now < active.until) return active
    let until = Number.POSITIVE_INFINITY
    const runs: EventRun[] = []
    for (const { key, event, ahead } of events) {
      const known = ahead(now)
      const next = known.runs.find(({ endsAt }) => endsAt > now)
      until = Math.min(until, known.until, next ? (next.startsAt > now ? next.startsAt : next.endsAt) : until)
      if (next && next.startsAt <= now) runs.push({ key, event, run: next })
    }
    active = { runs, since: now, until }
    return active
  }

  return {
    activeAt,
    shownAt: (now) => events.flatMap(({ near }) => shownOf(near(now), now)).sort(byStart),
    find: (runId) => {
      const entry = byKey.get(runId.slice(0, runId.indexOf('.')))
      const run = entry?.timetable.find(runId)
      return entry && run && { key: entry.key, event: entry.event, run }
    },
  }
}

type Entry = {
  readonly key: string
  readonly event: LiveEvent
  readonly timetable: Timetable
  /** The runs from this moment on that have not ended before `until`, and perhaps some more. */
  readonly ahead: (now: number) => Ahead
  /** Every run that is shown at this moment, and some around them. */
  readonly near: (now: number) => readonly EventRun[]
}

type Ahead = { readonly runs: readonly Run[]; readonly since: number; readonly until: number }

/** An event that this runtime cannot place in time, its zone data being older than the author's, is as if it were not there. */
const entryOf = ([key, event]: readonly [string, LiveEvent]): Entry[] => {
  try {
    const timetable = createTimetable(key, event.schedule)
    return [{ key, event, timetable, ahead: createAhead(timetable), near: createNear(key, event, timetable) }]
  } catch {
    return []
  }
}

/**
 * Works out an event's runs for a day, or for as long as there is a next one among them: with five hundred that begin in turn
 * there is another change each minute, and each was worked out anew for all of them.
 */
const createAhead = (timetable: Timetable): Entry['ahead'] => {
  let known: Ahead = { runs: [], since: 0, until: 0 }
  return (now) => {
    if (now >= known.since && now < known.until) return known
    const runs = timetable.between({ from: now, to: now + dayMs, max: aheadMax })
    const until = runs.length < aheadMax ? now + dayMs : (runs.at(-1)?.startsAt ?? now)
    known = { runs, since: now, until }
    return known
  }
}

/** Works out an event's runs for an hour, or for as long as there is a next one among them. */
const createNear = (key: string, event: LiveEvent, timetable: Timetable): Entry['near'] => {
  let known: { readonly runs: readonly EventRun[]; readonly since: number; readonly until: number } | undefined
  return (now) => {
    if (known && now >= known.since && now < known.until) return known.runs
    const to = now + horizonMs + event.announceMinutes * minuteMs
    const ahead = timetable.between({ from: now, to, max: aheadMax })
    const last = lastEnded(timetable, now, event.claimGraceMinutes * minuteMs)
    const runs = [...(last ? [last] : []), ...ahead].map((run) => ({ key, event, run }))
    const until = ahead.length < aheadMax ? now + horizonMs : (ahead.at(-1)?.startsAt ?? now)
    known = { runs, since: now, until }
    return runs
  }
}

/** The last run that has ended, no longer than that ago. Most are found in the last day, without a look at the weeks before. */
const lastEnded = (timetable: Timetable, now: number, agoMs: number): Run | undefined => {
  for (const backMs of [Math.min(agoMs, dayMs), agoMs]) {
    const runs = timetable.between({ from: now - backMs, to: now, max: lookedAtMax })
    const last = runs.findLast(({ endsAt }) => endsAt <= now)
    if (last) return last
  }
  return undefined
}

/** Of an event's runs the last that has ended, the one that is on and the next, as far as each is shown. */
const shownOf = (runs: readonly EventRun[], now: number): EventRun[] =>
  [
    runs.findLast(({ run }) => run.endsAt <= now),
    runs.find(({ run }) => run.startsAt <= now && now < run.endsAt),
    runs.find(({ run }) => run.startsAt > now),
  ].filter((entry): entry is EventRun => entry !== undefined && isShown(entry, now))

const isShown = (entry: EventRun, now: number): boolean =>
  now >= entry.run.startsAt - entry.event.announceMinutes * minuteMs &&
  now < Math.max(entry.run.endsAt, claimUntilOf(entry))

const byStart = (a: EventRun, b: EventRun): number => a.run.startsAt - b.run.startsAt || (a.key < b.key ? -1 : 1)
