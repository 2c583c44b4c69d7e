import { type LoadClass, loadClasses, overloadedRetryMinMs, overloadedRetrySpreadMs } from '#contract/load-class.ts'
import { Fault } from '#contract/problem.ts'
import type { Answered, ConcurrencyLimit } from './concurrency-limit.ts'

/** Lets in as many requests as are answered in time, and refuses the others at once, the least important first. */
export type Admission = {
  /**
   * Resolves when a request may begin, with what is to be called once it has ended. @throws Fault `overloaded`, at once or
   * half a second later
   */
  enter(loadClass: LoadClass, kind: string): Promise<Leave>
  snapshot(): AdmissionSnapshot
}

/** `wasWorkedOff`: whether how long it took says something of the load. Called twice it counts twice. */
export type Leave = (wasWorkedOff: boolean) => void

/** The limit and those under way at this moment; all others have been counted since the start. */
export type AdmissionSnapshot = {
  readonly limit: number
  readonly waiting: number
  readonly inFlight: Readonly<Record<LoadClass, number>>
  readonly admitted: Readonly<Record<LoadClass, number>>
  readonly refused: Readonly<Record<LoadClass, number>>
}

export type AdmissionOptions = {
  readonly limit: ConcurrencyLimit
  /** Told, once a second at the most, how many of each class were refused since it was last told. */
  readonly onRefused: (refused: Readonly<Record<LoadClass, number>>, limit: number) => void
  /** Milliseconds, from any start. */
  readonly clock: () => number
  /** From 0 to below 1. */
  readonly random: () => number
}

/** A class is let in while fewer than this share of the limit are under way in all. */
const ceilings: Record<LoadClass, number> = { 'sign-in': 1, write: 0.9, read: 0.75, batch: 0.5 }
/**
 * This share of the limit is a class's own: what becomes free goes first to whoever waits below theirs, so that a flood of what is
 * more important does not stop the others for good. Nothing is kept free for it.
 */
const shares: Record<LoadClass, number> = { 'sign-in': 0.3, write: 0.3, read: 0.15, batch: 0 }
/** This share of the limit is kept free for the first class, as far as it does not use it. */
const reserve = 0.1

/** A burst passes sooner than this, also one that meets a core which has just begun; nobody thinks a half second a failure. */
const waitMs = 500
/**
 * In a crowd that stays: who waits on then only adds to the delay of those who are let in. Whoever signs in is let in first, and
 * waits for as long as it takes until a limit that has just fallen has room again; and once more while it is held low for a moment.
 */
const crowdedWaitMs: Record<LoadClass, number> = { 'sign-in': 300, write: 25, read: 5, batch: 0 }
/** A class is a crowd until nobody of it has waited in vain for this long, */
const crowdMs = 500
/** and when nobody of it got in soon for this long, though some did get in: that is no burst, but a line that stands. */
const standingMs = 100
/** What soon is: sooner than anybody notices. */
const soonMs = 10
/** Of a class; more are refused at once. */
const waitingMax = 500

const tellMs = 1_000

/** Who waits, in the order in which they came; when one of them last waited in vain, and when one last got in soon. */
type Line = { readonly waiting: Set<Waiting>; refusedAt: number; soonAt: number }

/** Of a limit of one nothing can be kept. */
const reserveOf = (most: number): number => Math.min(Math.ceil(most * reserve), most - 1)

type Waiting = {
  readonly kind: string
  readonly since: number
  readonly letIn: (leave: Leave) => void
  timer: NodeJS.Timeout
}

const counts = (): Record<LoadClass, number> => ({ 'sign-in': 0, write: 0, read: 0, batch: 0 })

/**
 * Each request costs a few additions. Where there is no room a request waits for a moment, the more important before the others,
 * and is refused after that: for half a second in a burst, for next to nothing once it is a crowd that stays.
 *
 * @see https://queue.acm.org/detail.cfm?id=2839461 for the two waits
 */
export const createAdmission = ({ limit, onRefused, clock, random }: AdmissionOptions): Admission => {
  const inFlight = counts()
  const admitted = counts()
  const refused = counts()
  const newLine = (): Line => ({ waiting: new Set(), refusedAt: Number.NEGATIVE_INFINITY, soonAt: clock() })
  const lines: Record<LoadClass, Line> = {
    'sign-in': newLine(),
    write: newLine(),
    read: newLine(),
    batch: newLine(),
  }
  let underWay = 0
  let waiting = 0
  let untold = counts()
  let toldAt = Number.NEGATIVE_INFINITY

  const isBelowShare = (loadClass: LoadClass): boolean => inFlight[loadClass] < limit.current() * shares[loadClass]

  const hasRoom = (loadClass: LoadClass): boolean => {
    const most = limit.current()
    const kept = loadClass === 'sign-in' ? 0 : Math.max(0, reserveOf(most) - inFlight['sign-in'])
    return underWay < most - kept && (isBelowShare(loadClass) || underWay < most * ceilings[loadClass])
  }

  const begin = (loadClass: LoadClass, kind: string): Leave => {
    const startedAt = clock()
    underWay++
    inFlight[loadClass]++
    admitted[loadClass]++
    return (wasWorkedOff) => {
      const answered: Answered = { kind, durationMs: clock() - startedAt }
      if (wasWorkedOff) limit.note(answered, underWay)
      underWay--
      inFlight[loadClass]--
      letIn()
    }
  }

  const letIn = () => {
    if (waiting === 0) return
    for (const loadClass of loadClasses) letInWhile(loadClass, () => isBelowShare(loadClass) && hasRoom(loadClass))
    for (const loadClass of loadClasses) letInWhile(loadClass, () => hasRoom(loadClass))
  }

  const letInWhile = (loadClass: LoadClass, may: () => boolean) => {
    const line = lines[loadClass]
    for (const next of line.waiting) {
      if (!may()) return
      remove(line, next)
      if (clock() - next.since <= soonMs) line.soonAt = clock()
      next.letIn(begin(loadClass, next.kind))
    }
  }

  const remove = (line: Line, one: Waiting) => {
    clearTimeout(one.timer)
    line.waiting.delete(one)
    waiting--
  }

  const refuse = (loadClass: LoadClass): Fault => {
    refused[loadClass]++
    untold[loadClass]++
    const now = clock()
    if (now - toldAt >= tellMs) {
      onRefused(untold, limit.current())
      untold = counts()
      toldAt = now
    }
    return new Fault('overloaded', { retryAfterMs: overloadedRetryMinMs + random() * overloadedRetrySpreadMs })
  }

  return {
    enter: async (loadClass, kind) => {
      if (hasRoom(loadClass)) return begin(loadClass, kind)
      const line = lines[loadClass]
      if (line.waiting.size >= waitingMax) throw refuse(loadClass)
      const now = clock()
      if (line.waiting.size === 0) line.soonAt = now
      const isCrowded = now - line.refusedAt < crowdMs || now - line.soonAt > standingMs
      waiting++
      return new Promise<Leave>((resolve, reject) => {
        const giveUp = () => {
          if (!line.waiting.has(one)) return
          if (loadClass === 'sign-in' && limit.isLooking()) {
            one.timer = setTimeout(giveUpSoon, crowdedWaitMs[loadClass])
            return
          }
          remove(line, one)
          line.refusedAt = clock()
          reject(refuse(loadClass))
        }
        // A process that stood still finds its timers before the answers that make room.
        const giveUpSoon = () => void setImmediate(giveUp)
        const one: Waiting = {
          kind,
          since: now,
          letIn: resolve,
          timer: setTimeout(giveUpSoon, isCrowded ? crowdedWaitMs[loadClass] : waitMs),
        }
        line.waiting.add(one)
      })
    },
    snapshot: () => ({
      limit: limit.current(),
      waiting,
      inFlight: { ...inFlight },
      admitted: { ...admitted },
      refused: { ...refused },
    }),
  }
}
