import { edgeHeaders, encodePlace, parseMoved } from '#contract/edge-request.ts'
import { idempotencyKeyOf } from '#contract/idempotency.ts'
import type { Cell } from '#contract/ids.ts'
import { loadClassOf } from '#contract/load-class.ts'
import { problemSchema } from '#contract/problem.ts'
import type { Route } from '#contract/route.ts'
import type { Log } from '#infra/log.ts'
import type { Answer } from './answer.ts'
import type { Cells } from './cells.ts'
import type { Consistency } from './consistency.ts'
import type { AskCore } from './core.ts'
import type { CoreAnswer, CoreRequest } from './core-call.ts'
import { type Routed, readBody } from './exchange.ts'
import { placeOf } from './place.ts'
import { askInParts, isSplit, type Unaddressed } from './split.ts'

/**
 * How long a caller waits, milliseconds: long enough for a write behind others, short enough to be retried by a person. An
 * operator waits as long for a read, which may compare two documents of megabytes.
 */
const budgetMs = { direct: 2_000, forwarded: 5_000 }

/** What of a core's answer a client gets to see. */
const passedHeaders = ['content-type', 'etag', 'retry-after', 'idempotency-replayed']

export type ForwardOptions = {
  readonly cells: Cells
  readonly askCore: AskCore
  readonly consistency: Consistency
  readonly log: Log
}

/**
 * Hands a request to the core of the right cell, or each part of it to its own, and the answer back. A cell that says another
 * one owns this is believed once. A write's answer carries the token by which its caller reads it.
 */
export const createForward =
  ({ cells, askCore, consistency, log }: ForwardOptions) =>
  async (exchange: Routed): Promise<Answer> => {
    const { route } = exchange
    const request = await requestOf(exchange)
    const send: Ask = (part) => askCore(exchange, part)
    const ask: Ask = async (part) =>
      hopOnce(cells, await send(part), (cell) => send({ ...part, cell, alternative: undefined }))
    const answer = await (isSplit(route)
      ? askInParts({ exchange, route, cells, ask, log }, request)
      : ask({ ...request, ...addressOf(cells, exchange) }))
    const headers: Answer['headers'] = { 'cache-control': 'no-store' }
    for (const name of passedHeaders) {
      const value = answer.headers.get(name)
      if (value !== null) headers[name] = value
    }
    const moved = parseMoved(answer.headers.get(edgeHeaders.moved) ?? '')
    if (moved.length > 0) headers['perigee-consistency'] = await consistency.issue(exchange, moved)
    return { status: answer.status, headers, body: answer.text }
  }

/** @throws Fault `idempotency_key_missing`, `idempotency_key_invalid`, `body_too_large` */
const requestOf = async (exchange: Routed): Promise<Unaddressed> => {
  const { route, target } = exchange
  const header = (name: string) => exchange.headers.get(name)
  const writes = route.delivery.kind === 'forwarded'
  return {
    method: route.method,
    repeatable: isRepeatable(route),
    loadClass: loadClassOf(route),
    // Of a query only what the route takes, which is bounded: a core's server refuses longer lines than an edge gets. And of what can be
    // spelled in several ways one: Cloud Run decodes on the way what need not have been encoded, and it is signed.
    target,
    headers: {
      ...(['server', 'operator'].includes(route.access) ? { authorization: header('authorization') } : {}),
      ...(route.body ? { 'content-type': asciiOf(header('content-type')) } : {}),
      [edgeHeaders.address]: header('cf-connecting-ip'),
      [edgeHeaders.place]: encodePlace(placeOf(exchange)),
      ...(route.precondition ? { 'if-match': asciiOf(header('if-match')) } : {}),
      'idempotency-key': idempotencyKeyOf(route, header('idempotency-key'), () => crypto.randomUUID()),
    },
    ...(route.body ? { body: await readBody(exchange) } : {}),
    deadlineAt: exchange.arrivedAt + budgetMs[writes || route.access === 'operator' ? 'forwarded' : 'direct'],
  }
}

/** Beyond ASCII a header may arrive as other bytes than were signed; what it says does not matter then, only that it is wrong. */
const asciiOf = (value: string | undefined) => value?.replace(/[^\x20-\x7e]/g, '?')

type Ask = (request: CoreRequest) => Promise<CoreAnswer>

/**
 * A call without a home: where the nearest cell is not reached, the next one does what any can. A key that has a home may not make
 * players elsewhere.
 */
const addressOf = (cells: Cells, exchange: Routed): Pick<CoreRequest, 'cell' | 'alternative'> => {
  const cell = cells.choose(exchange)
  const anyCan = exchange.route.cell === 'nearest' && exchange.homeCell === undefined
  return { cell, alternative: anyCan ? cells.besides(cell) : undefined }
}

/**
 * Whether a call is told the same when it is repeated: a read; a write under a key; and a sign-in or a refresh. Other writes without a
 * key are done once whatever happens, but the second of two is told something else: that the code was used, that the session or the
 * link is gone, that the old password is wrong. Their callers had better hear that nobody knows.
 */
const isRepeatable = ({ delivery, access }: Route): boolean =>
  delivery.kind !== 'forwarded' || delivery.idempotencyKey !== 'none' || access === 'client'

const hopOnce = async (
  cells: Cells,
  answer: CoreAnswer,
  send: (cell: Cell) => Promise<CoreAnswer>,
): Promise<CoreAnswer> => {
  if (answer.status !== 421) return answer
  const problem = problemSchema.parse(JSON.parse(answer.text))
  const owner = cells.find(String(problem.cell))
  return owner === undefined ? answer : send(owner)
}
