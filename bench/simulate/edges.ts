import { type Cell, cellSchema } from '#contract/ids.ts'
import { createCache, type Found, type Question, type Reader } from '#edge/cache/cache.ts'
import { createDataCentreTier, type DataCentreTier } from '#edge/cache/data-centre-tier.ts'
import { createGlobalTier } from '#edge/cache/global-tier.ts'
import { createMemoryTier } from '#edge/cache/memory-tier.ts'
import { type Cells, createCells } from '#edge/cells.ts'
import { createFlights } from '#edge/flights.ts'
import type { VersionedStore } from '#infra/upstash.ts'
import type { VirtualClock } from './clock.ts'
import type { Random } from './random.ts'

/** An isolate's cache, as a deployment composes it. */
export type IsolateCache = (question: Question, reader: Reader) => Found | Promise<Found>

/**
 * A flight's time limit is real time, and nothing here is ever late in virtual time: this never passes. The greatest that a timer
 * takes.
 */
const never = { maxMs: 2 ** 31 - 1, onLate: () => new Error('a simulated answer was late') }

/** The production cache of one isolate, over a clock and tiers of the model's. */
export const createIsolateCache = (options: {
  readonly clock: VirtualClock
  readonly random: Random
  readonly dataCentre: DataCentreTier
  readonly store: VersionedStore
  /** 0: nothing is kept in memory. */
  readonly memoryBytes: number
  /** Whether a tier is away on purpose; else what fails behind an answer is the model's mistake, and ends the run. */
  readonly mayFail: boolean
}): IsolateCache => {
  const { clock, random, dataCentre, store, memoryBytes, mayFail } = options
  return createCache({
    memory: createMemoryTier(memoryBytes),
    dataCentre,
    global: createGlobalTier({ store, keysMax: Number.MAX_SAFE_INTEGER, clock: clock.now }),
    questions: createFlights({ ...never, clock: clock.now }),
    loads: createFlights({ ...never, clock: clock.now }),
    countFailure: (of) => {
      if (!mayFail) throw new Error(`a ${of} failed, and nothing here fails`)
    },
    clock: clock.now,
    random,
  })
}

/** Isolates by data centre, each made when it is first asked. */
export const createEdges = (options: {
  readonly dataCentres: number
  readonly newDataCentre: () => Parameters<typeof createDataCentreTier>[0]
  readonly newIsolate: (dataCentre: DataCentreTier) => IsolateCache
}) => {
  const centres = Array.from({ length: options.dataCentres }, () => ({
    tier: createDataCentreTier(options.newDataCentre()),
    isolates: [] as IsolateCache[],
  }))
  return {
    isolateOf: (dataCentre: number, isolate: number): IsolateCache => {
      const centre = centres[dataCentre]
      if (!centre) throw new Error(`there is no data centre ${dataCentre}`)
      const known = centre.isolates[isolate] ?? options.newIsolate(centre.tier)
      centre.isolates[isolate] = known
      return known
    },
  }
}

/** As many cells as asked for, named and routed to by the edge's own code. */
export const createModelCells = (count: number): Cells => {
  const names = Array.from({ length: count }, (_, at) => cellSchema.parse(`eu${at + 1}`))
  const address = { coreUrl: 'http://core.invalid', near: [] }
  const [control] = names
  if (!control) throw new Error('a deployment has at least one cell')
  return createCells(new Map<Cell, typeof address>(names.map((name) => [name, address])), control)
}
