import type { Found } from '#edge/cache/cache.ts'
import { createDeployment, type Deployment } from './deployment.ts'
import type { Stratum } from './popularity.ts'
import { createArrivals } from './random.ts'
import type { Scenario, Segment } from './scenario.ts'
import { type Count, createTally, type Tally } from './tally.ts'
import { type Thing, thingOf } from './things.ts'

/** Whoever is read more often than this, over all the world, is never gone from Upstash. */
const hotPerSecond = 1

/** A scenario before its first segment. `run` adds a segment to what was before. */
export const createModel = (scenario: Scenario, strata: readonly Stratum[]) => {
  let tally: Tally = createTally(strata.length)
  const count: Count = (operation, stratum) => increment(tally.operations[operation], stratum)
  const deployment = createDeployment(scenario, strata, count)
  const { clock, random, cells, cores, store } = deployment

  const anyThing = (stratum: number): Thing => {
    const number = Math.floor(random() * (strata[stratum]?.sampled ?? 1))
    return thingOf(cells, stratum, number)
  }
  const readAny = (stratum: number, segment: Segment) =>
    read(deployment, { thing: anyThing(stratum), floor: 0, lives: scenario.lives, segment, stratum, tally })

  /** Somebody changes a thing, and reads what they wrote. */
  const changeAny = (stratum: number, segment: Segment) => {
    const thing = anyThing(stratum)
    const version = cores.change(cells.choose(thing.exchange), thing.tag)
    clock.schedule(scenario.invalidationMs, () => void store.raise([{ tag: thing.tag, version }]).catch(() => {}))
    return read(deployment, { thing, floor: version, lives: scenario.lives, segment, stratum, tally })
  }
  const arrivals = (perMs: (stratum: Stratum) => number) => createArrivals(strata.map(perMs), random, clock.now())

  return {
    /** Lets a segment pass, and counts into a tally what was asked in it, whenever the answer comes. Answers with the isolates. */
    run: async (segment: Segment, into: Tally, onSecond: () => void): Promise<number> => {
      tally = into
      for (const [at, stratum] of strata.entries())
        if (isRead(stratum, segment)) tally.seconds[at] = (tally.seconds[at] ?? 0) + segment.seconds
      const reads = arrivals((stratum) => readsPerMs(stratum, segment))
      const changes = arrivals((stratum) => changesPerMs(stratum, segment, scenario))
      const startMs = clock.now()
      await clock.runTo(startMs + segment.seconds * 1_000, (nowMs) => {
        let goesOn = false
        for (let at = reads.next(nowMs); at >= 0; at = reads.next(nowMs)) if (readAny(at, segment)) goesOn = true
        for (let at = changes.next(nowMs); at >= 0; at = changes.next(nowMs)) if (changeAny(at, segment)) goesOn = true
        if ((nowMs - startMs) % 1_000 === 0) onSecond()
        return goesOn
      })
      return deployment.isolatesIn(segment)
    },
    /** Lets time pass in which nobody asks. */
    rest: (seconds: number) => clock.runTo(clock.now() + seconds * 1_000, () => false),
  }
}

/** A read, and where it counts. */
type Read = {
  readonly thing: Thing
  /** The version that the reader has heard of; 0: none. */
  readonly floor: number
  readonly lives: Scenario['lives']
  readonly segment: Segment
  readonly stratum: number
  readonly tally: Tally
}

/** Asks an isolate. Answers whether anything goes on by itself now. */
const read = ({ cells, cores, anyIsolate }: Deployment, asked: Read): boolean => {
  const { thing, floor, lives, segment, stratum, tally } = asked
  increment(tally.asked, stratum)
  const load = () => cores.read(cells.choose(thing.exchange), thing.tag)
  let goesOn = false
  const keepAlive = () => {
    goesOn = true
  }
  const answer = (found: Found) => {
    increment(tally.answered[found.source], stratum)
    if (found.collapsed) increment(tally.collapsed, stratum)
  }
  const question = { key: thing.key, tag: thing.tag, lives, floor, since: 0 }
  const found = anyIsolate(segment)(question, { load, keepAlive })
  if (found instanceof Promise) void found.then(answer)
  else answer(found)
  return goesOn || found instanceof Promise
}

const increment = (counts: Uint32Array, at: number) => {
  counts[at] = (counts[at] ?? 0) + 1
}

const readsPerMs = (stratum: Stratum, of: Segment): number =>
  isRead(stratum, of) ? (readsPerThing(stratum, of) * stratum.sampled) / 1_000 : 0

const isRead = (stratum: Stratum, of: Segment): boolean => of.withHot || readsPerThing(stratum, of) < hotPerSecond

const readsPerThing = ({ things, share, crowdShare }: Stratum, of: Segment): number =>
  (of.readsPerSecond * share + of.crowdReadsPerSecond * crowdShare) / things

/** Whoever changes their profile is as likely to be known by many as anybody else. */
const changesPerMs = (stratum: Stratum, segment: Segment, { things }: Scenario): number =>
  isRead(stratum, segment) ? (segment.changesPerSecond / 1_000) * (stratum.sampled / things) : 0
