import { Fault } from '#contract/problem.ts'
import type { Answer } from './answer.ts'
import type { Callers } from './caller.ts'
import type { Exchange } from './exchange.ts'

/** Headers that a web client needs to read. */
const exposed = [
  'Age',
  'Allow',
  'Cache-Status',
  'ETag',
  'Idempotency-Replayed',
  'Perigee-Consistency',
  'Perigee-Flags',
  'Retry-After',
  'Server-Timing',
  'X-Request-Id',
].join(', ')

/** Headers that a web client may send. */
const accepted = [
  'Authorization',
  'Content-Type',
  'Idempotency-Key',
  'If-Match',
  'If-None-Match',
  'Perigee-Consistency',
  'traceparent',
  'X-API-Key',
  'X-Request-Id',
].join(', ')

/** Browsers ask again after two hours at the latest, whatever we say. */
const preflightSeconds = '7200'

/** Whether a browser asks for permission before it sends the request itself. */
export const isPreflight = ({ method, headers }: Exchange): boolean =>
  method === 'OPTIONS' && headers.has('origin') && headers.has('access-control-request-method')

/** @throws Fault `origin_not_allowed` */
export const answerPreflight = async (
  callers: Callers,
  exchange: Exchange,
  methods: readonly string[],
): Promise<Answer> => {
  if (!(await callers.allowsOrigin(exchange))) throw new Fault('origin_not_allowed')
  return {
    status: 204,
    headers: {
      'access-control-allow-methods': methods.join(', '),
      'access-control-allow-headers': accepted,
      'access-control-max-age': preflightSeconds,
      'cache-control': 'no-store',
    },
    body: null,
  }
}

/** Lets the page that asked read the answer, if one asked. Tokens travel in headers, never in cookies: no credentials mode. */
export const setCors = ({ headers }: Answer, exchange: Exchange): void => {
  const origin = exchange.headers.get('origin')
  headers.vary = headers.vary === undefined ? 'Origin' : `${headers.vary}, Origin`
  if (origin === undefined) return
  headers['access-control-allow-origin'] = origin
  headers['access-control-expose-headers'] = exposed
}
