import type { InputOf } from '#contract/route.ts'
import type { createWalletTransactions as route } from '#contract/wallet.ts'
import type { ItemWork } from '#core/batch.ts'
import type { Context } from '#core/context.ts'
import { move } from '#core/value.ts'

/** Changes the balances of many players on behalf of a backend, each transaction for itself. */
export const createTransactions = (ctx: Context, { body }: InputOf<typeof route>): ItemWork[] =>
  body.transactions.map((transaction) => ({ playerId: transaction.playerId, work: move(ctx, transaction) }))
