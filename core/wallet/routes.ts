import * as contract from '#contract/wallet.ts'
import { writesManyInSets } from '#core/batch.ts'
import { answers, type Handler, writesInSets } from '#core/handler.ts'
import { createTransaction } from './create-transaction.ts'
import { createTransactions } from './create-transactions.ts'
import { getWallet } from './get-wallet.ts'

export const walletRoutes: Handler[] = [
  answers(contract.getWallet, getWallet),
  writesInSets(contract.createWalletTransaction, createTransaction),
  writesManyInSets(contract.createWalletTransactions, createTransactions),
]
