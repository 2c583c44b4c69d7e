import { type LoadClass, loadClasses } from '#contract/load-class.ts'
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
/** Above its ceiling a class still has this share of the limit, so that what is more important does not stop it for good. */
const shares: Record<LoadClass, number> = { 'sign-in': 1, write: 0.4, read: 0.2, batch: 0 }
/** What nobody but the first class is let into. */
const reserve = 0.1

/** A burst passes sooner than this, also one that meets a core which has just begun; nobody thinks a half second a failure. */
const waitMs = 500
/** Once a class has waited in vain it is no burst: who waits on then only adds to the delay of those who are let in. */
const crowdedWaitMs: Record<LoadClass, number> = { 'sign-in': 100, write: 25, read: 5, batch: 0 }
/** It is no crowd any more when nobody has waited in vain for this long. */
const crowdMs = 500
/** In all classes together; more are refused at once. */
const waitingMax = 1_000

/** Spread, so that those who were refused together do not come back together. */
const retryAfterMinMs = 1_000
const retryAfterSpreadMs = 3_000

const tellMs = 1_000

/** Who waits, in the order in which they came, and when one of them last waited in vain. */
type Line = { readonly waiting: Set<Waiting>; refusedAt: number }

type Waiting = { readonly kind: string; readonly letIn: (leave: Leave) => void; readonly timer: NodeJS.Timeout }

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
  const newLine = (): Line => ({ waiting: new Set(), refusedAt: Number.NEGATIVE_INFINITY })
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

  const hasRoom = (loadClass: LoadClass): boolean => {
    const most = limit.current()
    if (loadClass === 'sign-in') return underWay < most
    if (underWay >= most - Math.ceil(most * reserve)) return false
    return underWay < most * ceilings[loadClass] || inFlight[loadClass] < most * shares[loadClass]
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
    for (const loadClass of loadClasses) {
      for (const next of lines[loadClass].waiting) {
        if (!hasRoom(loadClass)) break
        remove(lines[loadClass], next)
        next.letIn(begin(loadClass, next.kind))
      }
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
    return new Fault('overloaded', { retryAfterMs: retryAfterMinMs + random() * retryAfterSpreadMs })
  }

  return {
    enter: async (loadClass, kind) => {
      if (hasRoom(loadClass)) return begin(loadClass, kind)
      if (waiting >= waitingMax) throw refuse(loadClass)
      const line = lines[loadClass]
      const isCrowded = clock() - line.refusedAt < crowdMs
      waiting++
      return new Promise<Leave>((resolve, reject) => {
        const giveUp = () => {
          remove(line, one)
          line.refusedAt = clock()
          reject(refuse(loadClass))
        }
        const one: Waiting = {
          kind,
          letIn: resolve,
          timer: setTimeout(giveUp, isCrowded ? crowdedWaitMs[loadClass] : waitMs),
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
