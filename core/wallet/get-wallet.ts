import { Fault } from '#contract/problem.ts'
import type { Wallet } from '#contract/wallet.ts'
import { type Context, playerOf } from '#core/context.ts'
import { findBalances } from '#db/wallet.ts'

/** The caller's balances, from the primary. @throws Fault `not_found` when the player was deleted */
export const getWallet = async (ctx: Context): Promise<Wallet> => {
  const balances = await findBalances(ctx.db, playerOf(ctx))
  if (!balances) throw new Fault('not_found')
  return { balances }
}
