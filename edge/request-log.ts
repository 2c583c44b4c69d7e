import type { Log } from '#infra/log.ts'
import type { Exchange } from './exchange.ts'
import { createTally, type Tally } from './tally.ts'

/** How a request went, beside what its exchange knows. */
export type Outcome = { readonly route: string; readonly status: number }

/**
 * The one line that a request leaves: who, what, how it went; never a token, a key or a body. With `span` and `parent` it is also the
 * edge's span of the request's trace, as long as `durationMs` and over at `time`.
 *
 * An answer from the isolate's memory, and a refusal because there are too many, are so cheap that a line would cost as much again:
 * the one is counted by route, as answers of all tiers are, the other by whoever refuses. Whoever sends `traceparent` or `X-Request-Id` finds their own line all the same, and what is sampled has one.
 */
export const createRequestLog = (log: Log, clock: () => number): ((exchange: Exchange, outcome: Outcome) => void) => {
  const tallies = new Map<string, Tally>()
  const tallyOf = (tier: string): Tally => {
    const tally = tallies.get(tier) ?? createTally(log, 'perigee.cache.answers', clock, (route) => ({ route, tier }))
    tallies.set(tier, tally)
    return tally
  }
  return (exchange, { route, status }) => {
    const tier = exchange.fromMemory ? 'memory' : exchange.tier
    if (tier !== undefined) tallyOf(tier)(route)
    const { trace } = exchange
    if ((exchange.fromMemory || exchange.refused) && !exchange.traced && !trace.sampled) return
    log.info('request', {
      requestId: exchange.requestId,
      trace: trace.traceId,
      span: trace.spanId,
      parent: trace.parentId,
      sampled: trace.sampled,
      method: exchange.method,
      route,
      cell: exchange.cell,
      principal: exchange.principal.kind,
      status,
      cache: exchange.cacheStatus,
      tiers: exchange.serverTiming,
      durationMs: clock() - exchange.arrivedAt,
    })
  }
}
