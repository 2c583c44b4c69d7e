import { randomUUID } from 'node:crypto'
import type * as z from 'zod'
import type { PlayerId } from '#contract/ids.ts'
import { createWalletTransactions as route } from '#contract/wallet.ts'
import { checkedFetch } from './checked-fetch.ts'
import type { World } from './harness.ts'
import { type Sent, sentOf } from './wallet-calls.ts'

export type Item = { readonly playerId: PlayerId; readonly amount: number; readonly currency?: string }

export type Batch = {
  readonly items: readonly Item[]
  readonly key?: string
  /** Instead of the world's own. */
  readonly edgeUrl?: string
  readonly bearer?: string
}

export const batchBody = (items: readonly Item[]): string =>
  JSON.stringify({
    transactions: items.map(({ playerId, amount, currency = 'coins' }) => ({
      playerId,
      changes: [{ currency, amount }],
      reason: 'test',
    })),
  })

export type BatchSent = Sent & { readonly headers: Headers }

/** A batch through an edge, as bytes, held to the contract. */
export const sendBatch = async (world: World, batch: Batch): Promise<BatchSent> => {
  const { items, key = randomUUID(), edgeUrl = world.edgeUrl, bearer = world.keys.server } = batch
  const response = await checkedFetch(
    new Request(edgeUrl + route.path, {
      method: route.method,
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json', 'idempotency-key': key },
      body: batchBody(items),
    }),
  )
  return { ...(await sentOf(response)), headers: response.headers }
}

export type Result = z.output<typeof route.answer>['results'][number]

/** What became of each item. @throws Error for an answer that has no results */
export const resultsOf = ({ status, text }: Sent): Result[] => {
  if (status !== 200) throw new Error(`no results: ${status} ${text}`)
  return route.answer.parse(JSON.parse(text)).results
}

/** `applied`, or the code of the refusal and whether a retry may do better. */
export const briefly = (results: readonly Result[]): string[] =>
  results.map((result) =>
    result.status === 'applied' ? 'applied' : `${result.problem.code}${result.retryable ? ', retryable' : ''}`,
  )

/** What all writes on some players have left behind. */
export const effectsOn = async ({ sql }: World, playerIds: readonly PlayerId[]) => {
  const [row] = await sql`select
    (select count(*)::int from wallet_transactions where player_id = any(${playerIds})) as transactions,
    (select count(*)::int from outbox where aggregate = any(${playerIds.map((id) => `wallet:${id}`)})) as events,
    (select coalesce(sum((balances->>'coins')::int), 0)::int from wallets where player_id = any(${playerIds})) as coins`
  return row
}
