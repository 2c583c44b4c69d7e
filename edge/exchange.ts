import { bodyBytesMax, type EdgePrincipal } from '#contract/edge-request.ts'
import type { Cell } from '#contract/ids.ts'
import { Fault } from '#contract/problem.ts'
import type { Route } from '#contract/route.ts'

/** One request on its way through the edge: what arrived, and what has been found out about it. */
export type Exchange = {
  readonly request: Request
  readonly url: URL
  readonly requestId: string
  /** W3C trace context: the caller's, or one that begins here. */
  readonly traceparent: string
  /** Milliseconds since 1970. */
  readonly arrivedAt: number
  /** Keeps work alive after the response is sent. */
  readonly defer: (work: Promise<unknown>) => void
  principal: EdgePrincipal
  /** Which cell was asked, once one was. */
  cell: Cell | undefined
  /** How the cache answered, once it did; the value of `Cache-Status`. */
  cacheStatus: string | undefined
  /** How long the cache's tiers took, where any was asked; the value of `Server-Timing`. */
  serverTiming: string | undefined
}

/** An exchange whose route is known and whose path and query are parsed. */
export type Routed = Exchange & {
  readonly route: Route
  readonly params: Readonly<Record<string, unknown>>
  readonly query: Readonly<Record<string, unknown>>
}

const traceparentPattern = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/
const requestIdPattern = /^[\w.:-]{8,64}$/

export const createExchange = (request: Request, defer: Exchange['defer']): Exchange => {
  const requestId = request.headers.get('x-request-id') ?? ''
  const traceparent = request.headers.get('traceparent') ?? ''
  return {
    request,
    url: new URL(request.url),
    requestId: requestIdPattern.test(requestId) ? requestId : crypto.randomUUID(),
    traceparent: traceparentPattern.test(traceparent) ? traceparent : `00-${hex(16)}-${hex(8)}-01`,
    arrivedAt: Date.now(),
    defer,
    principal: { kind: 'public' },
    cell: undefined,
    cacheStatus: undefined,
    serverTiming: undefined,
  }
}

const hex = (bytes: number) =>
  Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, '0')).join('')

/** All headers together, bytes. */
const headerBytesMax = 8_192

/** @throws Fault `headers_too_large` */
export const checkHeaders = (headers: Headers): void => {
  let size = 0
  for (const [name, value] of headers) size += name.length + value.length
  if (size > headerBytesMax) throw new Fault('headers_too_large', { extras: { limitBytes: headerBytesMax } })
}

/** The whole body, which is not read further than its bound. @throws Fault `body_too_large` */
export const readBody = async (request: Request): Promise<Uint8Array> => {
  const tooLarge = () => new Fault('body_too_large', { extras: { limitBytes: bodyBytesMax } })
  if (Number(request.headers.get('content-length') ?? 0) > bodyBytesMax) throw tooLarge()
  if (!request.body) return new Uint8Array()
  const body = new Uint8Array(bodyBytesMax)
  let size = 0
  for await (const chunk of request.body) {
    if (size + chunk.length > bodyBytesMax) throw tooLarge()
    body.set(chunk, size)
    size += chunk.length
  }
  return body.subarray(0, size)
}
