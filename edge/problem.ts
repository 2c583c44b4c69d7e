import { Fault, problemContentType, problemText, retryAfterOf } from '#contract/problem.ts'
import type { Exchange } from './exchange.ts'

/** Any failure as problem+json; what is not a Fault is `internal` and says no more. @see RFC 9457 */
export const problemResponse = (error: unknown, { requestId }: Pick<Exchange, 'requestId'>): Response => {
  const fault = error instanceof Fault ? error : new Fault('internal', { cause: error })
  const headers = new Headers({ 'content-type': problemContentType, 'cache-control': 'no-store' })
  const retryAfter = retryAfterOf(fault)
  if (retryAfter !== undefined) headers.set('retry-after', retryAfter)
  return new Response(problemText(fault, requestId), { status: fault.status, headers })
}
