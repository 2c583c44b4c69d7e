import type { Subject } from '#contract/evaluate/attribute.ts'
import type { Answer as Evaluated } from '#contract/evaluate/evaluation.ts'
import { isObject } from '#contract/evaluate/value.ts'
import { parseJson } from '#contract/input.ts'
import { Fault } from '#contract/problem.ts'
import type { Answer } from './answer.ts'
import type { Content, Published } from './content.ts'
import { isKnown } from './etag.ts'
import { type Routed, readBody } from './exchange.ts'
import { sha256 } from './hash.ts'
import { subjectOf } from './subject.ts'

/** The document that the flags were evaluated with: 1, 2, 3 …, and 0 before the first. */
const numberHeader = 'perigee-flags'

const encoder = new TextEncoder()

/**
 * Every flag, as OFREP has it. The entity tag is of what was evaluated, not of the document: another context that gets the same
 * has the same tag, and one that gets something else never does, however long a client keeps a tag across contexts.
 * @throws Fault `invalid_request`, `malformed_json`, `unsupported_media_type`, `body_too_large`; as `Content.get`
 */
export const answerAllFlags = async (exchange: Routed, content: Content): Promise<Answer> => {
  const [subject, published] = await readQuestion(exchange, content)
  const texts: string[] = []
  for (const { text } of published.evaluator.evaluateAll(subject)) texts.push(text)
  const body = encoder.encode(`{"flags":[${texts.join(',')}]}`)
  const etag = `"${await sha256(body)}"`
  const headers: Answer['headers'] = {
    'content-type': 'application/json',
    // One caller's own, and good for as long as its tag is: kept by them alone, and used only after asking.
    'cache-control': 'private, no-cache',
    etag,
    [numberHeader]: String(published.numbers.flags),
  }
  return isKnown(etag, exchange.headers.get('if-none-match'))
    ? { status: 304, headers, body: null }
    : { status: 200, headers, body }
}

/**
 * One flag, as OFREP has it.
 * @throws Fault `not_found` for a flag that there is not; `targeting_key_missing`, `invalid_request` for one that is split by
 * what the context lacks; as `answerAllFlags`
 */
export const answerFlag = async (exchange: Routed, content: Content): Promise<Answer> => {
  const [subject, published] = await readQuestion(exchange, content)
  const evaluation = published.evaluator.evaluate(String(exchange.params.key), subject)
  if (!evaluation) throw new Fault('not_found', { detail: 'there is no such flag' })
  requireValue(evaluation.answer)
  const headers: Answer['headers'] = {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    [numberHeader]: String(published.numbers.flags),
  }
  return { status: 200, headers, body: evaluation.text }
}

/** The body is read before any document is waited for: who sends nonsense is told so whatever else is gone. */
const readQuestion = async (exchange: Routed, content: Content): Promise<[Subject, Published]> => {
  const question = parseJson(await readBody(exchange), exchange.headers.get('content-type'))
  const at = { in: 'body', pointer: '/context' } as const
  const subject = subjectOf(exchange, isObject(question) ? question.context : undefined, at)
  const published = await content.get(exchange)
  exchange.fromMemory = true
  return [subject, published]
}

const requireValue = (answer: Evaluated): void => {
  if (!('errorCode' in answer)) return
  const detail = answer.errorDetails
  if (answer.errorCode === 'TARGETING_KEY_MISSING') throw new Fault('targeting_key_missing', { detail })
  throw new Fault('invalid_request', { detail })
}
