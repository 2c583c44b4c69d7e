import { newId, type PlayerId } from '#contract/ids.ts'
import { type MoveInput, moveStatement } from '#db/value.ts'
import type { SetWork } from './combine.ts'
import type { Context } from './context.ts'

/** What is to change in a player's wallet, and why. */
export type Move = Pick<MoveInput, 'changes' | 'reason'> & { readonly playerId: PlayerId }

/**
 * The one door for value: whatever grants or takes currency goes through this statement, which owns lock order, caps, ledger
 * and event. Refusals: `not_found`, `currency_unknown`, `insufficient_funds`, `balance_cap_exceeded`.
 */
export const move = (ctx: Pick<Context, 'cell' | 'now'>, { playerId, changes, reason }: Move): SetWork<MoveInput> => ({
  statement: moveStatement,
  aggregate: playerId,
  input: {
    changes,
    reason,
    transactionId: newId('transaction', ctx.cell, ctx.now.getTime()),
    eventId: newId('event', ctx.cell, ctx.now.getTime()),
  },
})
