import type { ErrorCode } from '#contract/errors.ts'
import type { EvaluationErrorCode } from '#contract/flags.ts'
import { Fault, type InputError, retryAfterOf } from '#contract/problem.ts'
import type { Answer } from './answer.ts'
import type { Exchange } from './exchange.ts'
import type { AskedRoute } from './table.ts'

/** What OpenFeature calls a fault of ours; everything else is `GENERAL`. */
const evaluationErrors: { readonly [Code in ErrorCode]?: EvaluationErrorCode } = {
  malformed_json: 'PARSE_ERROR',
  unsupported_media_type: 'PARSE_ERROR',
  body_too_large: 'PARSE_ERROR',
  invalid_request: 'INVALID_CONTEXT',
  targeting_key_missing: 'TARGETING_KEY_MISSING',
  not_found: 'FLAG_NOT_FOUND',
}

/**
 * Any failure as OFREP says it, with our own code and the request's id beside; what is not a Fault is `internal` and says no
 * more. There is no entity tag: a client would take the refusal for what it holds.
 */
export const ofrepFaultAnswer = (error: unknown, { requestId }: Exchange, asked: AskedRoute): Answer => {
  const fault: Fault = error instanceof Fault ? error : new Fault('internal', { cause: error })
  const headers: Answer['headers'] = { 'content-type': 'application/json', 'cache-control': 'no-store' }
  const retryAfter = retryAfterOf(fault)
  if (retryAfter !== undefined) headers['retry-after'] = retryAfter
  const key = keyOf(asked)
  const body = JSON.stringify({
    ...(key === undefined ? {} : { key }),
    errorCode: evaluationErrors[fault.code] ?? 'GENERAL',
    errorDetails: detailsOf(fault),
    code: fault.code,
    requestId,
  })
  return { status: fault.status, headers, body }
}

/** The flag that was asked for; undefined where all were, or it is no key. */
const keyOf = ({ route, readInput }: AskedRoute): string | undefined => {
  if (!route.params) return undefined
  try {
    return String(readInput().params.key)
  } catch {
    return undefined
  }
}

const detailsOf = ({ message, errors: [first] }: Fault): string =>
  first ? `${placeOf(first)}: ${first.detail}` : message

const placeOf = ({ in: place, pointer }: InputError) => place + pointer
