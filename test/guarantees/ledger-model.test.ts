import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PlayerId } from '#contract/ids.ts'
import { auditLedger, noTotals } from '#core/audit-ledger.ts'
import { upsertCurrency } from '#db/wallet.ts'
import { seed, sized, tell } from '#test/guarantee.ts'
import { startWorld, type World } from '#test/harness.ts'
import { type Change, makePlayers, moveCall, sentOf } from '#test/wallet-calls.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const sequences = sized({ short: 200, long: 10_000 })
/** So low that most sequences meet one of them. */
const caps = { energy: 100, tickets: 40 }
/** A player a sequence; made together, for they come in one transaction. */
const playersAtOnce = 200

type Balances = Readonly<Record<string, number>>

/** The rule of a wallet in plain sight: in the order of the changes, the first that cannot be refuses them all. */
const applyToModel = (balances: Balances, changes: readonly Change[]) => {
  const limits: Readonly<Record<string, number>> = caps
  const next = { ...balances }
  for (const { currency, amount } of changes) {
    const [balance, cap] = [balances[currency] ?? 0, limits[currency]]
    if (cap === undefined) return { refusal: { code: 'currency_unknown', currency } }
    if (balance + amount < 0) return { refusal: { code: 'insufficient_funds', currency, balance, needed: -amount } }
    if (amount > 0 && balance + amount > cap)
      return { refusal: { code: 'balance_cap_exceeded', currency, balance, cap } }
    next[currency] = balance + amount
  }
  return { next }
}

const currency = fc.oneof(
  { weight: 10, arbitrary: fc.constantFrom('energy', 'tickets') },
  { weight: 1, arbitrary: fc.constant('shells') },
)
const amount = fc.integer({ min: -40, max: 60 }).filter((value) => value !== 0)
const changes = fc.uniqueArray(fc.record({ currency, amount }), {
  minLength: 1,
  maxLength: 3,
  selector: (change) => change.currency,
})
/** A command, and after it perhaps a retry: of which earlier one, counted backwards. */
const step = fc.record({ changes, retryOf: fc.option(fc.nat({ max: 7 }), { freq: 2 }) })

/** Sends what is asked; without the edge, for there are many. */
const send = async (playerId: PlayerId, key: string, changes: readonly Change[]) => {
  const { status, text, replayed } = await sentOf(await world.askCore(moveCall(world, { playerId, key, changes })))
  return { status, text, replayed }
}

test('a wallet does what a model of three lines does: never negative, never past a cap, all changes or none, once a key', {
  timeout: sized({ short: 90_000, long: 3_600_000 }),
}, async () => {
  for (const [code, cap] of Object.entries(caps))
    await upsertCurrency(world.database.db, { code, cap, now: new Date() })
  const players: PlayerId[] = []
  const figures: Record<string, number> = { applied: 0, retries: 0 }
  const count = (figure: string) => {
    figures[figure] = (figures[figure] ?? 0) + 1
  }

  const property = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
    if (players.length === 0) players.push(...(await makePlayers(world, playersAtOnce)))
    const playerId = players.pop()
    if (!playerId) throw new Error('players were made')
    const answered: { readonly key: string; readonly changes: readonly Change[]; readonly first: object }[] = []
    let model: Balances = { coins: 0, gems: 0, energy: 0, tickets: 0 }
    for (const { changes, retryOf } of steps) {
      const { next, refusal } = applyToModel(model, changes)
      const key = randomUUID()
      const first = await send(playerId, key, changes)
      const body = JSON.parse(first.text)
      if (refusal) expect(body).toMatchObject({ ...refusal, status: first.status })
      else expect(Object.fromEntries(body.balances.map((row: Change) => [row.currency, row.amount]))).toEqual(next)
      model = next ?? model
      answered.push({ key, changes, first })
      count(refusal?.code ?? 'applied')

      const earlier = retryOf === null ? undefined : answered.at(-1 - (retryOf % answered.length))
      if (!earlier) continue
      // Whatever has happened since: the answer of then, to the byte.
      expect(await send(playerId, earlier.key, earlier.changes)).toEqual({ ...earlier.first, replayed: true })
      count('retries')
    }
    const [row] = await world.sql`select balances from wallets where player_id = ${playerId}`
    expect({ ...model, ...row?.balances }).toEqual(model)
  })
  await fc.assert(property, { seed, numRuns: sequences })

  const [entries] = await world.sql`select min(balance_after)::int as lowest from wallet_entries`
  expect(entries?.lowest).toBeGreaterThanOrEqual(0)
  let audited = noTotals
  const options = { after: undefined, player: undefined, batch: 1_000, pauseMs: 0, most: 10 }
  for await (const { totals } of auditLedger(world.database, { ...options, signal: AbortSignal.timeout(60_000) }))
    audited = totals
  expect(audited).toMatchObject({ transactions: figures.applied, differences: 0 })
  tell('ledger-model', { sequences, ...figures, entries: audited.entries, differences: audited.differences })
})
