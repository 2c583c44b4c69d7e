import { edgeHeaders, encodePrincipal, encodeSignature, signedBytes, wireTargetOf } from '#contract/edge-request.ts'
import type { Cell } from '#contract/ids.ts'
import { Fault, problemContentType, problemSchema } from '#contract/problem.ts'
import { type IdTokens, idTokenHeader } from '#infra/id-tokens.ts'
import type { Log } from '#infra/log.ts'
import { Skipped } from './breaker.ts'
import type { Cells } from './cells.ts'
import type { CoreAnswer, CoreRequest } from './core-call.ts'
import type { Exchange } from './exchange.ts'
import { createGuard, createGuardCounts, type Guard } from './guard.ts'
import type { Hmac } from './hmac.ts'
import { createRetrying, isUnanswered, Lost } from './retry.ts'
import { createTally } from './tally.ts'

/**
 * Asks a core, signed, and once more where that may help (`retry.ts`). A cell that did not answer several times on end is asked once a
 * second until it does; of calls to one that refuses much, some are not sent; and no more than a number of them are under way.
 * @throws Fault `unavailable` when it cannot be reached, `deadline_exceeded` when it is too slow, `overloaded` when the call was not
 * sent; a core that says `overloaded` has answered
 */
export type AskCore = (exchange: Exchange, request: CoreRequest) => Promise<CoreAnswer>

export const createAskCore = (options: {
  readonly cells: Cells
  readonly hmac: Hmac
  /** By which what stands before the cores lets us in; undefined where nothing does. */
  readonly idTokens: IdTokens | undefined
  readonly log: Log
}): AskCore => {
  const { cells, hmac, idTokens, log } = options
  const clock = Date.now
  const random = Math.random
  const counts = createGuardCounts(log, clock)
  const guards = new Map<Cell, Guard<CoreAnswer>>()
  const guardOf = (cell: Cell): Guard<CoreAnswer> => {
    const guard = guards.get(cell) ?? createGuard({ cell, counts, clock, random, isOverloaded, isUnanswered })
    guards.set(cell, guard)
    return guard
  }
  const attempt = async (exchange: Exchange, request: CoreRequest): Promise<CoreAnswer> => {
    exchange.cell = request.cell
    try {
      return await guardOf(request.cell).run(request, () => send({ cells, hmac, idTokens }, exchange, request))
    } catch (cause) {
      if (cause instanceof Fault) throw cause
      if (cause instanceof Skipped) throw new Fault('unavailable', { detail: 'the core does not answer', cause })
      if (Date.now() >= request.deadlineAt) throw new Fault('deadline_exceeded', { cause })
      throw new Lost(cause)
    }
  }
  const retrying = createRetrying({
    guardOf,
    counts: {
      retries: createTally(log, 'perigee.edge.retries', clock),
      unaffordable: createTally(log, 'perigee.edge.retries_over_budget', clock),
    },
    clock,
    random,
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  })
  return (exchange, request) => {
    const answer = retrying(request, (tried) => attempt(exchange, tried))
    // The runtime drops what a caller who hangs up leaves under way: the call would keep its place in the room. Its deadline bounds it.
    exchange.defer(answer.catch(() => {}))
    return answer
  }
}

const isOverloaded = ({ code }: CoreAnswer) => code === 'overloaded'

const send = async (
  { cells, hmac, idTokens }: { readonly cells: Cells; readonly hmac: Hmac; readonly idTokens: IdTokens | undefined },
  exchange: Exchange,
  request: CoreRequest,
): Promise<CoreAnswer> => {
  const idToken = idTokens && (await idTokenFor(idTokens, exchange, request))
  const remainingMs = request.deadlineAt - Date.now()
  if (remainingMs <= 0) throw new Fault('deadline_exceeded')
  const { coreUrl } = cells.addressOf(request.cell)
  const headers = await signedHeaders(hmac, exchange, request, remainingMs)
  if (idToken !== undefined) headers.set(idTokenHeader, `Bearer ${idToken}`)
  const response = await fetch(coreUrl + wireTargetOf(request.target), {
    method: request.method,
    headers,
    ...(request.body && request.body.length > 0 ? { body: request.body } : {}),
    signal: AbortSignal.timeout(remainingMs),
    redirect: 'manual',
  })
  return trusted({ status: response.status, headers: response.headers, text: await response.text() })
}

/** Without a token no cell can be asked, and it says nothing of any of them: neither another attempt nor another cell would help. */
const idTokenFor = async (idTokens: IdTokens, exchange: Exchange, request: CoreRequest): Promise<string> => {
  try {
    const waitMaxMs = request.deadlineAt - Date.now()
    return await idTokens.get({ waitMaxMs, keepAlive: exchange.defer })
  } catch (cause) {
    throw new Fault('unavailable', { detail: 'the core cannot be asked', cause })
  }
}

/**
 * What a core says of its caller is for the caller; what stands between, or a core that does not take us for its edge, is our
 * own trouble, and must not look like the caller's. A failure that is no problem document comes from a balancer that got no answer.
 */
const trusted = (answer: CoreAnswer): CoreAnswer => {
  const { status, headers, text } = answer
  if (status < 400) return answer
  if (headers.get('content-type') !== problemContentType) {
    const cause = new Error(`the core answered ${status} without a problem document`)
    throw new Lost(cause)
  }
  const { code } = problemSchema.parse(JSON.parse(text))
  if (code === 'unauthenticated') {
    const cause = new Error(`the core answered ${status} ${code}`)
    throw new Fault('unavailable', { cause })
  }
  return { ...answer, code }
}

const signedHeaders = async (
  hmac: Hmac,
  exchange: Exchange,
  request: CoreRequest,
  remainingMs: number,
): Promise<Headers> => {
  const headers = new Headers({
    [edgeHeaders.principal]: encodePrincipal(exchange.principal),
    [edgeHeaders.cell]: request.cell,
    [edgeHeaders.deadline]: String(remainingMs),
    'x-request-id': exchange.requestId,
    traceparent: exchange.traceparent,
  })
  for (const [name, value] of Object.entries(request.headers ?? {})) if (value !== undefined) headers.set(name, value)
  const signedAt = Date.now()
  const parts = {
    method: request.method,
    target: request.target,
    signedAt,
    header: (name: string) => headers.get(name),
  }
  const signature = await hmac.sign(signedBytes(parts, request.body ?? new Uint8Array()))
  headers.set(edgeHeaders.signature, encodeSignature({ ...signature, signedAt }))
  return headers
}
