import type { Log } from '#infra/log.ts'
import type { Exchange } from './exchange.ts'
import { createTally } from './tally.ts'

/** How a request went, beside what its exchange knows. */
export type Outcome = { readonly route: string; readonly status: number }

/**
 * The one line that a request leaves: who, what, how it went; never a token, a key or a body.
 *
 * An answer from the isolate's memory is so cheap that a line would cost as much again: such are counted by route, and told
 * together with the first that comes a second after the last. Whoever sends `traceparent` or `X-Request-Id` finds their own line
 * all the same.
 */
export const createRequestLog = (log: Log, clock: () => number): ((exchange: Exchange, outcome: Outcome) => void) => {
  const count = createTally(log, 'answers from memory', clock)
  return (exchange, { route, status }) => {
    if (exchange.fromMemory && !exchange.traced) return count(route)
    log.info('request', {
      requestId: exchange.requestId,
      trace: exchange.traceparent.split('-')[1],
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
