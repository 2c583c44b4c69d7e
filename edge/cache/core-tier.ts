import { edgeHeaders } from '#contract/edge-request.ts'
import { loadClassOf } from '#contract/load-class.ts'
import { Fault } from '#contract/problem.ts'
import type { Cells } from '#edge/cells.ts'
import type { AskCore } from '#edge/core.ts'
import type { CoreAnswer } from '#edge/core-call.ts'
import type { Routed } from '#edge/exchange.ts'
import type { Demand } from '#edge/flights.ts'
import { etagOf, type Reading } from './entry.ts'

/**
 * Reads from the core that owns the thing. The answer may be below the demand only where the core's own database is.
 * @throws Fault `overloaded`, `unavailable`, `deadline_exceeded` when the core does not say what is there
 */
export type CoreTier = (exchange: Routed, demand: Demand) => Promise<Reading>

/** How long a reader waits for the core, milliseconds. */
export const coreMaxMs = 2_000

export const createCoreTier =
  ({ askCore, cells }: { readonly askCore: AskCore; readonly cells: Cells }): CoreTier =>
  async (exchange, { floor, since }) => {
    const startedAt = Date.now()
    const answer = await askCore(exchange, {
      cell: cells.choose(exchange),
      loadClass: loadClassOf(exchange.route),
      method: 'GET',
      target: exchange.target,
      // Of a time a replica cannot tell whether it has reached it.
      headers: { [edgeHeaders.floor]: since > 0 ? 'primary' : String(floor) },
      deadlineAt: startedAt + coreMaxMs,
    })
    return entryOf(answer, startedAt)
  }

const entryOf = ({ status, headers, text, code }: CoreAnswer, startedAt: number): Reading => {
  if (code === 'overloaded') throw new Fault(code, { retryAfterMs: Number(headers.get('retry-after')) * 1_000 })
  const version = Number(headers.get(edgeHeaders.version) ?? Number.NaN)
  const readAt = Number(headers.get(edgeHeaders.readAt) ?? Number.NaN)
  if ((status !== 200 && status !== 404) || !Number.isSafeInteger(version) || !Number.isSafeInteger(readAt)) {
    throw new Fault('unavailable', {
      detail: 'the core could not read this',
      cause: new Error(`the core answered ${status}`),
    })
  }
  // The body of a 404 is made anew for each request, since it carries the request's id.
  const body = status === 200 ? text : ''
  const now = Date.now()
  return {
    version,
    // A core whose clock runs ahead must not make an entry live longer.
    storedAt: Math.min(readAt, now),
    loadMs: now - startedAt,
    status,
    contentType: headers.get('content-type') ?? '',
    body,
    etag: etagOf(version, body),
  }
}
