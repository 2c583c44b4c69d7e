import type { Subject } from '#contract/evaluate/attribute.ts'
import { isObject } from '#contract/evaluate/value.ts'
import { Fault, type InputError } from '#contract/problem.ts'
import type { Routed } from './exchange.ts'
import { placeOf } from './place.ts'

/**
 * Whom something is evaluated for: what the caller says, and what is known without being told. A player who names no targeting key
 * is their own. `at` is where in the request the context stands.
 * @throws Fault `invalid_request` for a context that is no object, or whose targeting key is no text
 */
export const subjectOf = (exchange: Routed, context: unknown, at: Pick<InputError, 'in' | 'pointer'>): Subject => {
  const refuse = (pointer: string, detail: string) =>
    new Fault('invalid_request', { errors: [{ in: at.in, pointer: at.pointer + pointer, detail }] })
  if (!isObject(context)) throw refuse('', 'the context is not an object')
  const { targetingKey } = context
  if (targetingKey !== undefined && (typeof targetingKey !== 'string' || targetingKey === ''))
    throw refuse('/targetingKey', 'the targeting key is not a text, or is empty')
  const { country, continent } = placeOf(exchange)
  const { principal } = exchange
  const playerId = principal.kind === 'player' ? principal.playerId : undefined
  return {
    context: targetingKey === undefined && playerId !== undefined ? { ...context, targetingKey: playerId } : context,
    known: { 'player.id': playerId, 'edge.country': country, 'edge.continent': continent },
    now: exchange.arrivedAt,
  }
}
