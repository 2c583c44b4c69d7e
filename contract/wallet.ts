import * as z from 'zod'
import { playerIdSchema, transactionIdSchema } from './ids.ts'
import { defineRoute, direct, forwarded } from './route.ts'
import { balanceSchema, currencyCodeSchema, textSchema } from './scalars.ts'
import { itemsMax, refusedItemSchema } from './split.ts'

/** Currencies that one transaction may touch: more is a batch, not a transaction. */
export const changesMax = 20

export const balancesSchema = z
  .array(z.object({ currency: currencyCodeSchema, amount: balanceSchema }))
  .meta({ id: 'Balances', description: 'One row for each declared currency, by its code.' })

export const walletSchema = z.object({ balances: balancesSchema }).meta({ id: 'Wallet' })
export type Wallet = z.infer<typeof walletSchema>

export const walletChangesSchema = z
  .array(
    z.strictObject({
      currency: currencyCodeSchema,
      amount: z.int().refine((amount) => amount !== 0, 'must not be zero'),
    }),
  )
  .min(1)
  .max(changesMax)
  .refine(
    (changes) => new Set(changes.map((change) => change.currency)).size === changes.length,
    'a currency stands twice',
  )

const reasonSchema = textSchema({ min: 1, max: 128 })

export const getWallet = defineRoute({
  method: 'GET',
  path: '/v1/wallet',
  summary: 'Read your own balances',
  access: 'player',
  cell: 'caller',
  delivery: direct,
  status: 200,
  answer: walletSchema,
  errors: ['not_found'],
})

export const createWalletTransaction = defineRoute({
  method: 'POST',
  path: '/v1/players/{playerId}/wallet/transactions',
  summary: "Change a player's balances",
  description: 'All changes happen or none. Positive amounts grant, negative ones spend.',
  access: 'server',
  scope: 'wallet:write',
  cell: 'target',
  delivery: forwarded({ idempotencyKey: 'required' }),
  params: z.object({ playerId: playerIdSchema }),
  body: z.strictObject({ changes: walletChangesSchema, reason: reasonSchema }).meta({ id: 'WalletTransaction' }),
  status: 200,
  answer: z
    .object({ transactionId: transactionIdSchema, balances: balancesSchema })
    .meta({ id: 'WalletTransactionAnswer' }),
  errors: ['not_found', 'insufficient_funds', 'balance_cap_exceeded', 'currency_unknown'],
})

export const createWalletTransactions = defineRoute({
  method: 'POST',
  path: '/v1/wallet/transactions',
  summary: 'Change the balances of many players',
  description:
    'Each transaction takes effect once or not at all, whatever becomes of the others; those of one player in their order. The results are in the order of the transactions. A retry with the same key answers again what was answered, and does what is missing.',
  access: 'server',
  scope: 'wallet:write',
  cell: 'targets',
  split: { items: 'transactions', results: 'results' },
  delivery: forwarded({ idempotencyKey: 'required' }),
  body: z
    .strictObject({
      transactions: z
        .array(z.strictObject({ playerId: playerIdSchema, changes: walletChangesSchema, reason: reasonSchema }))
        .min(1)
        .max(itemsMax),
    })
    .meta({ id: 'WalletTransactions' }),
  status: 200,
  answer: z
    .object({
      results: z.array(
        z.discriminatedUnion('status', [
          z
            .object({
              playerId: playerIdSchema,
              status: z.literal('applied'),
              transactionId: transactionIdSchema,
              balances: balancesSchema,
            })
            .meta({ id: 'AppliedWalletTransaction' }),
          refusedItemSchema,
        ]),
      ),
    })
    .meta({ id: 'WalletTransactionsAnswer' }),
  errors: ['not_found'],
})
