import { newId, type PlayerId } from '#contract/ids.ts'
import { type MoveInput, moveStatement } from '#db/value.ts'
import type { SetVerb } from './combine.ts'
import type { Context } from './context.ts'

/** What is to change in a player's wallet, and why. */
export type Move = Pick<MoveInput, 'changes' | 'reason'> & { readonly playerId: PlayerId }

/**
 * The one door for value: whatever grants or takes currency goes through this set, which owns lock order, caps, ledger and
 * event. Refusals: `not_found`, `currency_unknown`, `insufficient_funds`, `balance_cap_exceeded`.
 */
export const moves: SetVerb<MoveInput> = {
  name: 'move value',
  statement: moveStatement,
  aggregateOf: ({ playerId }) => playerId,
}

/** A move as the statement takes it, with new ids for its transaction and its event. */
export const moveInput = (ctx: Context, move: Move): MoveInput => ({
  ...move,
  transactionId: newId('transaction', ctx.cell, ctx.now.getTime()),
  eventId: newId('event', ctx.cell, ctx.now.getTime()),
})
