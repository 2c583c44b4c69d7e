import { bodyBytesMax, type EdgePrincipal } from '#contract/edge-request.ts'
import type { Cell } from '#contract/ids.ts'
import { Fault } from '#contract/problem.ts'
import type { Route } from '#contract/route.ts'
import type { Sample } from './sampling.ts'
import { createTrace, parseTraceparent, type Trace, traceparentOf } from './trace.ts'

/** One request on its way through the edge: what arrived, and what has been found out about it. */
export type Exchange = {
  readonly request: Request
  readonly method: string
  /** Those that the edge takes, by name in lower case, read once: each look into the request's own headers leaves the language. */
  readonly headers: ReadonlyMap<string, string>
  /** As it was sent, without the query. */
  readonly path: string
  readonly requestId: string
  readonly trace: Trace
  /** W3C trace context for those who work for this request. */
  readonly traceparent: string
  /** Whether the caller has told a name, of the request or its trace, under which they will look for it. */
  readonly traced: boolean
  /** Milliseconds since 1970. */
  readonly arrivedAt: number
  /** Keeps work alive after the response is sent. */
  readonly defer: (work: Promise<unknown>) => void
  principal: EdgePrincipal
  /** Where whoever signs up is at home, once the caller's key has said so. */
  homeCell: Cell | undefined
  /** Which cell was asked, once one was. */
  cell: Cell | undefined
  /** How the cache answered, once it did; the value of `Cache-Status`. */
  cacheStatus: string | undefined
  /** Whether the isolate answered from what it holds. */
  fromMemory: boolean
  /** Whether it was turned away before it was worked on, for how many there are. */
  refused: boolean
  /** Which tier of the cache answered, once one did. */
  tier: string | undefined
  /** How long the cache's tiers took, where any was asked; the value of `Server-Timing`. */
  serverTiming: string | undefined
}

/** What a request asks of its route, parsed. */
export type Input = {
  readonly params: Readonly<Record<string, unknown>>
  readonly query: Readonly<Record<string, unknown>>
  /** Path and query in one form, from what was parsed: two spellings of one question have the same. */
  readonly target: string
}

/** An exchange whose route is known and whose path and query are parsed. */
export type Routed = Exchange & Input & { readonly route: Route }

const requestIdPattern = /^[\w.:-]{8,64}$/

/** @param sample decides, at most once, whether the request's trace is recorded */
export const createExchange = (request: Request, defer: Exchange['defer'], sample: Sample): Exchange => {
  const headers = readHeaders(request)
  const requestId = matching(headers.get('x-request-id'), requestIdPattern)
  const caller = parseTraceparent(headers.get('traceparent'))
  const trace = createTrace(caller, sample)
  return {
    request,
    method: request.method,
    headers,
    path: pathOf(request.url),
    requestId: requestId ?? newRequestId(),
    trace,
    get traceparent() {
      return traceparentOf(trace)
    },
    traced: requestId !== undefined || caller !== undefined,
    arrivedAt: Date.now(),
    defer,
    principal: { kind: 'public' },
    homeCell: undefined,
    cell: undefined,
    cacheStatus: undefined,
    fromMemory: false,
    refused: false,
    tier: undefined,
    serverTiming: undefined,
  }
}

const matching = (text: string | undefined, pattern: RegExp) =>
  text !== undefined && pattern.test(text) ? text : undefined

/** Cut from the text, which is in normal form: a URL object costs more than it tells here. */
const pathOf = (url: string): string => {
  const pathAt = url.indexOf('/', url.indexOf('//') + 2)
  const searchAt = url.indexOf('?', pathAt)
  return searchAt < 0 ? url.slice(pathAt) : url.slice(pathAt, searchAt)
}

let isolateId: string | undefined
let requests = 0

/** Random for the isolate, and a number: it tells requests apart, and is no secret. */
const newRequestId = () => {
  isolateId ??= crypto.randomUUID()
  requests++
  return `${isolateId}.${requests.toString(36)}`
}

/** The headers that the edge takes of a request. All others stay unread, and reach nobody. */
const takenOfAll = [
  'authorization',
  'cf-connecting-ip',
  'if-none-match',
  'origin',
  'perigee-consistency',
  'traceparent',
  'x-api-key',
  'x-request-id',
]
const takenOfOthers = [
  ...takenOfAll,
  'access-control-request-method',
  'content-length',
  'content-type',
  'idempotency-key',
  'if-match',
]

const readHeaders = (request: Request): ReadonlyMap<string, string> => {
  const headers = new Map<string, string>()
  for (const name of request.method === 'GET' ? takenOfAll : takenOfOthers) {
    const value = request.headers.get(name)
    if (value !== null) headers.set(name, value)
  }
  return headers
}

/** The headers that the edge takes, together, bytes. */
const headerBytesMax = 8_192

/** @throws Fault `headers_too_large` */
export const checkHeaders = ({ headers }: Exchange): void => {
  let size = 0
  for (const [name, value] of headers) size += name.length + value.length
  if (size > headerBytesMax) throw new Fault('headers_too_large', { extras: { limitBytes: headerBytesMax } })
}

/** The whole body, which is not read further than its route's bound. @throws Fault `body_too_large` */
export const readBody = async ({ request, headers, route }: Routed): Promise<Uint8Array> => {
  const limitBytes = route.bodyBytesMax ?? bodyBytesMax
  const tooLarge = () => new Fault('body_too_large', { extras: { limitBytes } })
  const stated = headers.get('content-length')
  if (Number(stated ?? 0) > limitBytes) throw tooLarge()
  // What states its length is as long as that: HTTP reads no further. A stream, which costs more, is not made for it.
  if (stated !== undefined) return new Uint8Array(await request.arrayBuffer())
  if (!request.body) return new Uint8Array()
  const body = new Uint8Array(limitBytes)
  let size = 0
  for await (const chunk of request.body) {
    if (size + chunk.length > limitBytes) throw tooLarge()
    body.set(chunk, size)
    size += chunk.length
  }
  return body.subarray(0, size)
}
