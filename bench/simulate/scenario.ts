import type { Lives } from '#edge/cache/freshness.ts'
import type { Latencies } from './stand-ins.ts'

/** A time in which the load stays the same. All rates are those of the whole deployment, a second. */
export type Segment = {
  /** Measured segments of one name are told of as one. */
  readonly name: string
  readonly seconds: number
  readonly readsPerSecond: number
  /** Reads beside those, of what the crowd at an event looks at. */
  readonly crowdReadsPerSecond: number
  readonly changesPerSecond: number
  /** Requests of every kind: isolates are started by these. */
  readonly requestsPerSecond: number
  /**
   * False: what is read more than once a second is left out. It makes most of the work, and needs the least of it: tiers know it
   * within two fresh lives, and in seconds there are enough reads to tell how they are answered.
   */
  readonly withHot: boolean
  /** Whether it is told of. Others bring the tiers into the state that they have in practice. */
  readonly isMeasured: boolean
}

/** What is simulated, whole: two with the same values have the same outcome. Plain data, so that another thread can run it. */
export type Scenario = {
  readonly name: string
  readonly seed: number
  /** How many things there are to be read. */
  readonly things: number
  readonly exponent: number
  /** How many of the most popular things the crowd at an event looks at. */
  readonly crowd: number
  /** One thing in so many is simulated, of those of which there are many alike. */
  readonly keepOneIn: number
  /** As for `stratify`. */
  readonly growth: number
  /** As for `createVirtualClock`; a divisor of a second. */
  readonly stepMs: number
  readonly cells: number
  readonly dataCentres: number
  /** Of the r-th data centre by size the traffic is as `r ** -exponent`. */
  readonly dataCentreExponent: number
  readonly requestsPerIsolate: number
  /** False: the near tier holds nothing; Upstash refuses everything. */
  readonly tiers: { readonly memory: boolean; readonly dataCentre: boolean; readonly upstash: boolean }
  readonly lives: Lives
  readonly latencies: Latencies
  /** From a change to its version in Upstash. */
  readonly invalidationMs: number
  /** What an entry weighs in the memory of a real isolate. */
  readonly entryBytes: number
  readonly segments: readonly Segment[]
}

/** All reads of a segment, a second: whoever changes a thing reads it afterwards. */
export const allReadsOf = ({ readsPerSecond, crowdReadsPerSecond, changesPerSecond }: Segment): number =>
  readsPerSecond + crowdReadsPerSecond + changesPerSecond

/** Virtual seconds that a scenario takes. */
export const secondsOf = ({ segments }: Scenario): number => segments.reduce((sum, { seconds }) => sum + seconds, 0)
