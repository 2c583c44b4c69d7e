import { edgeHeaders, encodePrincipal, encodeSignature, signedBytes } from '#contract/edge-request.ts'
import type { Cell } from '#contract/ids.ts'
import { Fault, problemContentType, problemSchema } from '#contract/problem.ts'
import { type Breaker, createBreaker, Skipped } from './breaker.ts'
import type { Cells } from './cells.ts'
import type { Exchange } from './exchange.ts'
import type { Hmac } from './hmac.ts'

/** A request to a cell's core. */
export type CoreRequest = {
  readonly cell: Cell
  readonly method: string
  /** Path with query. */
  readonly target: string
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly body?: Uint8Array
  /** When the caller stops to wait, ms since 1970. */
  readonly deadlineAt: number
}

/** An answer of a core, read to its end: text can be shared between requests, a Response cannot. */
export type CoreAnswer = { readonly status: number; readonly headers: Headers; readonly text: string }

/**
 * Asks a core, signed. A cell that did not answer several times on end is asked once a second until it does.
 * @throws Fault `unavailable` when it cannot be reached, `deadline_exceeded` when it is too slow
 */
export type AskCore = (exchange: Exchange, request: CoreRequest) => Promise<CoreAnswer>

/** A core that had less time than this to answer has not failed: the caller took the rest, perhaps on purpose. */
const fairMs = 1_000

export const createAskCore = ({ cells, hmac }: { readonly cells: Cells; readonly hmac: Hmac }): AskCore => {
  const breakers = new Map<Cell, Breaker>()
  const breakerOf = (cell: Cell): Breaker => {
    const breaker = breakers.get(cell) ?? createBreaker(Date.now)
    breakers.set(cell, breaker)
    return breaker
  }
  return async (exchange, request) => {
    const remainingMs = request.deadlineAt - Date.now()
    if (remainingMs <= 0) throw new Fault('deadline_exceeded')
    exchange.cell = request.cell
    const { coreUrl } = cells.addressOf(request.cell)
    const headers = await signedHeaders(hmac, exchange, request, remainingMs)
    const send = async (): Promise<CoreAnswer> => {
      const response = await fetch(coreUrl + request.target, {
        method: request.method,
        headers,
        ...(request.body && request.body.length > 0 ? { body: request.body } : {}),
        signal: AbortSignal.timeout(remainingMs),
        redirect: 'manual',
      })
      return trusted({ status: response.status, headers: response.headers, text: await response.text() })
    }
    try {
      return await breakerOf(request.cell).run(send, () => remainingMs >= fairMs)
    } catch (cause) {
      if (cause instanceof Fault) throw cause
      if (!(cause instanceof Skipped) && Date.now() >= request.deadlineAt)
        throw new Fault('deadline_exceeded', { cause })
      throw new Fault('unavailable', { detail: 'the core does not answer', cause })
    }
  }
}

/**
 * What a core says of its caller is for the caller; what stands between, or a core that does not take us for its edge, is our
 * own trouble, and must not look like the caller's.
 */
const trusted = (answer: CoreAnswer): CoreAnswer => {
  const failed = answer.status >= 400
  const problem =
    failed && answer.headers.get('content-type') === problemContentType
      ? problemSchema.parse(JSON.parse(answer.text))
      : undefined
  if (failed && (!problem || problem.code === 'unauthenticated')) {
    const cause = new Error(`the core answered ${answer.status} ${problem?.code ?? 'without a problem document'}`)
    throw new Fault('unavailable', { cause })
  }
  return answer
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
