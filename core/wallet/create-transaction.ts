import type { InputOf } from '#contract/route.ts'
import type { createWalletTransaction as route } from '#contract/wallet.ts'
import type { Context } from '#core/context.ts'
import { moveInput, moves } from '#core/value.ts'

/** Changes a player's balances on behalf of a backend; all changes or none. */
export const createTransaction = {
  set: moves,
  toInput: (ctx: Context, { params, body }: InputOf<typeof route>) =>
    moveInput(ctx, { playerId: params.playerId, ...body }),
}
