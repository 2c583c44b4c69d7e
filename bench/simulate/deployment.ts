import { memoryBytesMax } from '#edge/cache/memory-tier.ts'
import { createVirtualClock } from './clock.ts'
import { createEdges, createIsolateCache, createModelCells, type IsolateCache } from './edges.ts'
import { type Stratum, weightOf } from './popularity.ts'
import { createPicker, createRandom, seedOf } from './random.ts'
import type { Scenario, Segment } from './scenario.ts'
import { createCores, createDataCentre, createEmptyDataCentre, createRefusingStore, createStore } from './stand-ins.ts'
import type { Count } from './tally.ts'

/** Bytes of an entry of the model by the memory tier's own count, about: it has next to no body. */
const modelEntryBytes = 800
/** Near tiers answer for `freshMs`; twice that is more than any reader looks at. */
const usefulLives = 2

/** Data centres, isolates, Upstash and cores of a scenario, at rest, with the clock and the chance that they go by. */
export const createDeployment = (scenario: Scenario, strata: readonly Stratum[], count: Count) => {
  const { latencies, lives, tiers } = scenario
  const random = createRandom(seedOf(scenario.seed, scenario.name))
  const clock = createVirtualClock(scenario.stepMs)
  const parts = { clock, count, latencies }
  const store = tiers.upstash ? createStore(parts) : createRefusingStore()
  const memoryBytes = tiers.memory ? memoryBytesOf(scenario, strata) : 0
  const usefulMs = usefulLives * lives.freshMs
  const edges = createEdges({
    dataCentres: scenario.dataCentres,
    newDataCentre: () => (tiers.dataCentre ? createDataCentre(parts, usefulMs) : createEmptyDataCentre()),
    newIsolate: (dataCentre) =>
      createIsolateCache({ clock, random, dataCentre, store, memoryBytes, mayFail: !tiers.upstash }),
  })
  const sizes = dataCentreSizes(scenario)
  const pickDataCentre = createPicker(sizes)
  return {
    random,
    clock,
    store,
    cores: createCores(parts),
    cells: createModelCells(scenario.cells),
    /** Where a request of a segment arrives: a data centre by its size, any isolate of it. */
    anyIsolate: (segment: Segment): IsolateCache => {
      const centre = pickDataCentre(random)
      const isolate = Math.floor(random() * isolatesIn(scenario, segment, sizes[centre] ?? 0))
      return edges.isolateOf(centre, isolate)
    },
    /** How many isolates all data centres have in a segment. */
    isolatesIn: (segment: Segment): number => sizes.reduce((sum, size) => sum + isolatesIn(scenario, segment, size), 0),
  }
}

export type Deployment = ReturnType<typeof createDeployment>

/** Of each data centre its share of the traffic. */
const dataCentreSizes = ({ dataCentres, dataCentreExponent }: Scenario): number[] => {
  const sizes = Array.from({ length: dataCentres }, (_, at) => (at + 1) ** -dataCentreExponent)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  return sizes.map((size) => size / total)
}

const isolatesIn = ({ requestsPerIsolate }: Scenario, { requestsPerSecond }: Segment, size: number): number =>
  Math.max(1, Math.ceil((requestsPerSecond * size) / requestsPerIsolate))

/** As much of a real isolate's memory as there is of its reads, for entries of the model's weight. */
const memoryBytesOf = ({ entryBytes }: Scenario, strata: readonly Stratum[]): number => {
  const simulatedShare = strata.reduce((sum, stratum) => sum + stratum.share / weightOf(stratum), 0)
  return memoryBytesMax * simulatedShare * (modelEntryBytes / entryBytes)
}
