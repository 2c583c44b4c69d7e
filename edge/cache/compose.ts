import { Fault } from '#contract/problem.ts'
import type { Cells } from '#edge/cells.ts'
import type { Consistency } from '#edge/consistency.ts'
import type { AskCore } from '#edge/core.ts'
import type { DataCentre } from '#edge/data-centre.ts'
import { createFlights } from '#edge/flights.ts'
import { createTally } from '#edge/tally.ts'
import type { Log } from '#infra/log.ts'
import type { VersionedStore } from '#infra/upstash.ts'
import { createAnswerCached } from './answer.ts'
import { createCache } from './cache.ts'
import { coreMaxMs, createCoreTier } from './core-tier.ts'
import { createDataCentreTier } from './data-centre-tier.ts'
import { createGlobalTier } from './global-tier.ts'
import type { MemoryTier } from './memory-tier.ts'

/** The cache of an isolate, put together: what answers cached routes. `keysMax`: how many keys the store may hold. */
export const composeCached = (parts: {
  readonly memory: MemoryTier
  readonly dataCentre: DataCentre
  readonly store: VersionedStore
  readonly keysMax: number
  readonly askCore: AskCore
  readonly cells: Cells
  readonly consistency: Consistency
  readonly log: Log
}) => {
  const { memory, dataCentre, store, keysMax, askCore, cells, consistency, log } = parts
  const clock = Date.now
  // Who joins another's question waits as long as that one may take in all: no tier takes longer than the core.
  const flights = { maxMs: 2 * coreMaxMs, onLate: () => new Fault('deadline_exceeded'), clock }
  const cache = createCache({
    memory,
    dataCentre: createDataCentreTier(dataCentre),
    global: createGlobalTier({ store, keysMax, clock }),
    questions: createFlights(flights),
    loads: createFlights(flights),
    countFailure: createTally(log, 'perigee.cache.failures', clock),
    clock,
    random: Math.random,
  })
  return createAnswerCached({ cache, readCore: createCoreTier({ askCore, cells }), consistency })
}
