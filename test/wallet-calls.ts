import { randomUUID } from 'node:crypto'
import { newId, type PlayerId } from '#contract/ids.ts'
import type { Db } from '#db/client.ts'
import { players } from '#db/players.ts'
import { wallets } from '#db/wallet.ts'
import type { CoreCall } from './core-call.ts'
import { cell, type World } from './harness.ts'

/** An answer as bytes: what a typed client would parse away is what a retry must get again. */
export type Sent = {
  readonly status: number
  readonly text: string
  readonly replayed: boolean
  readonly retryAfter: string | null
}

export const sentOf = async (response: Response): Promise<Sent> => ({
  status: response.status,
  text: await response.text(),
  replayed: response.headers.get('idempotency-replayed') === 'true',
  retryAfter: response.headers.get('retry-after'),
})

/** The code of a problem; undefined for an answer that is none. */
export const codeOf = ({ text }: Sent): unknown => JSON.parse(text).code

export type Change = { readonly currency: string; readonly amount: number }

export type Move = { readonly playerId: PlayerId; readonly changes: readonly Change[]; readonly key?: string }

/** A change of a wallet as an edge sends it to a core, under a key of its own where it names none. */
export const moveCall = (world: World, { playerId, changes, key = randomUUID() }: Move): CoreCall => ({
  method: 'POST',
  path: `/v1/players/${playerId}/wallet/transactions`,
  principal: { kind: 'server' },
  headers: { authorization: `Bearer ${world.keys.server}`, 'idempotency-key': key },
  body: JSON.stringify({ changes, reason: 'test' }),
})

/** Players with empty wallets, without the sessions of a sign-in. */
export const makePlayers = async ({ database }: World, count: number): Promise<PlayerId[]> => {
  const createdAt = new Date()
  const version = createdAt.getTime()
  const ids = Array.from({ length: count }, () => newId('player', cell, version))
  for (let from = 0; from < count; from += batchMax)
    await insertPlayers(database.db, ids.slice(from, from + batchMax), { version, createdAt })
  return ids
}

/** Rows of one statement: Postgres takes 65,535 parameters. */
const batchMax = 2_000

/** Players of these ids with empty wallets, 2,000 at the most, together. */
export const insertPlayers = (
  db: Db,
  ids: readonly PlayerId[],
  { version, createdAt }: { readonly version: number; readonly createdAt: Date },
): Promise<void> =>
  db.transaction(async (tx) => {
    const of = { displayName: 'Ada', version, createdAt, updatedAt: createdAt }
    await tx.insert(players).values(ids.map((playerId) => ({ playerId, ...of })))
    await tx.insert(wallets).values(ids.map((playerId) => ({ playerId, balances: {}, version })))
  })
