import type { InputOf } from '#contract/route.ts'
import type { createWalletTransaction as route } from '#contract/wallet.ts'
import type { SetWork } from '#core/combine.ts'
import type { Context } from '#core/context.ts'
import { move } from '#core/value.ts'

/** Changes a player's balances on behalf of a backend; all changes or none. */
export const createTransaction = (ctx: Context, { params, body }: InputOf<typeof route>): SetWork =>
  move(ctx, { playerId: params.playerId, ...body })
