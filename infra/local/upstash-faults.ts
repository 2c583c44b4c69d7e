/** What goes wrong, for tests: change it at any time, it holds from the next request on. Shares are from 0 to 1. */
export type Faults = {
  /** Every connection and request is cut off before it does anything. */
  down: boolean
  /** Waited before each request is looked at. */
  latencyMs: number
  /** The share of requests that are answered 500 and do nothing. */
  errorRate: number
  /** The share of requests that take effect and then lose their answer with the connection. */
  dropRate: number
  /**
   * The share of writing requests that are acknowledged, sync token and all, and never take effect: what a failover loses
   * that comes before the write was replicated. The answer is that of an empty database.
   */
  forgetRate: number
  /** The share of writing requests that the primary takes and the replica never hears of: two regions that disagree. */
  divergeRate: number
  /**
   * How long after its arrival a write reaches the replica: the same for all, or drawn for each. Writes keep their order, so
   * that one waits for those before it. With Infinity they wait for `catchUp`.
   */
  lagMs: number | (() => number)
  /**
   * The limit of the plan, of which 10,000 is the usual one: what is above it within a second of the clock is refused and does
   * nothing. A batch is taken whole or refused whole.
   */
  commandsPerSecondMax: number
  /** The database has reached its size: without eviction, what could make it larger is refused. */
  full: boolean
}

export const createFaults = (): Faults => ({
  down: false,
  latencyMs: 0,
  errorRate: 0,
  dropRate: 0,
  forgetRate: 0,
  divergeRate: 0,
  lagMs: 0,
  commandsPerSecondMax: Number.POSITIVE_INFINITY,
  full: false,
})
