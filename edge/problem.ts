import { Fault, problemContentType, problemText, retryAfterOf } from '#contract/problem.ts'
import type { Answer } from './answer.ts'
import type { Exchange } from './exchange.ts'

/** Any failure as problem+json; what is not a Fault is `internal` and says no more. @see RFC 9457 */
export const problemAnswer = (error: unknown, { requestId }: Pick<Exchange, 'requestId'>): Answer => {
  const fault = error instanceof Fault ? error : new Fault('internal', { cause: error })
  const headers: Answer['headers'] = { 'content-type': problemContentType, 'cache-control': 'no-store' }
  const retryAfter = retryAfterOf(fault)
  if (retryAfter !== undefined) headers['retry-after'] = retryAfter
  return { status: fault.status, headers, body: problemText(fault, requestId) }
}
