import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PlayerId } from '#contract/ids.ts'
import { checkedFetch } from '#test/checked-fetch.ts'
import type { CoreCall } from '#test/core-call.ts'
import { type CoreProcess, startCoreProcess } from '#test/core-process.ts'
import { sized, tell } from '#test/guarantee.ts'
import { startWorld, type World } from '#test/harness.ts'
import { codeOf, makePlayers, moveCall, type Sent, sentOf } from '#test/wallet-calls.ts'

let world: World
let second: CoreProcess
beforeAll(async () => {
  world = await startWorld()
  second = await startCoreProcess(world)
})
afterAll(async () => {
  await second?.stop()
  await world?.stop()
})

const keys = sized({ short: 10, long: 500 })
const atOnce = sized({ short: 100, long: 200 })
/** So that a herd meets a wallet that other herds have left something in, and others write to nothing but their own. */
const walletCount = 4

/** To one of two processes on the same database: the world's own through its edge, or the second. */
const send = async (call: CoreCall, way: number): Promise<Sent> => {
  if (way % 2 === 1) return sentOf(await second.ask(call))
  const { path, principal: _, ...init } = call
  const headers = { ...call.headers, 'content-type': 'application/json' }
  return sentOf(await checkedFetch(new Request(world.edgeUrl + path, { ...init, headers })))
}

const grant = (playerId: PlayerId, key: string, amount = 10) =>
  moveCall(world, { playerId, key, changes: [{ currency: 'coins', amount }] })

/** As a client does that means it: a call that ran out of time on a busy machine is sent again, under the same key. */
const untilAnswered = async (call: CoreCall, way: number): Promise<Sent & { readonly sentAgain: boolean }> => {
  for (let attempt = 1; ; attempt++) {
    const sent = await send(call, way)
    if (sent.status !== 503 || attempt === 20) return { ...sent, sentAgain: attempt > 1 }
  }
}

/** A crowd of calls at once, each by one of the two ways. */
const herdOf = (callOf: (at: number) => CoreCall) =>
  Promise.all(Array.from({ length: atOnce }, (_, at) => untilAnswered(callOf(at), at)))

/** What the writes of the wallets have left behind: ledger, events, and the balances that everybody sees. */
const effectsOn = async (players: readonly PlayerId[]) => {
  const [row] = await world.sql`select
    (select count(*)::int from wallet_transactions where player_id = any(${players})) as transactions,
    (select count(*)::int from wallet_entries where player_id = any(${players})) as entries,
    (select count(*)::int from outbox where aggregate = any(${players.map((id) => `wallet:${id}`)})) as events,
    (select coalesce(sum((balances->>'coins')::int), 0)::int from wallets where player_id = any(${players})) as coins`
  return row
}

/** The code of an answer that is none: that the first call still runs. */
const inFlight = [409, 'idempotency_in_flight', '1']

test('of a herd under one key, over two processes, one call has its effect, and all others get its bytes or are told to wait', {
  timeout: sized({ short: 90_000, long: 3_600_000 }),
}, async () => {
  const players = await makePlayers(world, walletCount)
  const startedAt = performance.now()
  const figures = { calls: keys * atOnce, replayed: 0, 'told to wait': 0 }
  for (let at = 0; at < keys; at++) {
    const playerId = players[at % walletCount]
    if (!playerId) throw new Error(`${walletCount} players were asked for`)
    const key = randomUUID()
    const herd = await herdOf(() => grant(playerId, key))
    const answered = herd.filter(({ status }) => status === 200)
    const first = answered.filter(({ replayed }) => !replayed).length
    // The first answer may be the one that was lost to the deadline; there is never a second one.
    expect([herd.some(({ sentAgain }) => sentAgain) ? 0 : 1, 1], 'calls that were no replay').toContain(first)
    expect(new Set(answered.map(({ text }) => text)).size, 'different answers').toBe(1)
    for (const sent of herd.filter(({ status }) => status !== 200)) {
      expect([sent.status, codeOf(sent), sent.retryAfter]).toEqual(inFlight)
      figures['told to wait']++
    }
    figures.replayed += answered.length - first

    for (const way of [0, 1]) {
      expect(await untilAnswered(grant(playerId, key), way)).toMatchObject({ replayed: true, text: answered[0]?.text })
      const other = await untilAnswered(grant(playerId, key, 11), way)
      expect([other.status, codeOf(other)]).toEqual([422, 'idempotency_mismatch'])
    }
  }
  expect(await effectsOn(players)).toEqual({ transactions: keys, entries: keys, events: keys, coins: 10 * keys })
  const seconds = Math.round((performance.now() - startedAt) / 1_000)
  tell('same-key-herd', { keys, ...figures, effects: keys, seconds })
})

test('of two bodies that race under one key one has its effect, and nobody who sent the other is given its answer', {
  timeout: sized({ short: 90_000, long: 3_600_000 }),
}, async () => {
  const players = await makePlayers(world, walletCount)
  const amounts = [10, 11]
  const races = sized({ short: 5, long: 100 })
  let [coins, refused] = [0, 0]
  for (let race = 0; race < races; race++) {
    const playerId = players[race % walletCount]
    if (!playerId) throw new Error(`${walletCount} players were asked for`)
    const key = randomUUID()
    // Two calls in a row have one body, so that both ways have both.
    const amountOf = (at: number) => amounts[Math.floor(at / 2) % amounts.length]
    const herd = await herdOf((at) => grant(playerId, key, amountOf(at)))
    const won = new Set(herd.flatMap(({ status }, at) => (status === 200 ? [amountOf(at)] : [])))
    expect(won.size, 'bodies that were answered').toBe(1)
    for (const sent of herd.filter(({ status }) => status !== 200)) {
      if (sent.status === 409) expect([sent.status, codeOf(sent), sent.retryAfter]).toEqual(inFlight)
      else expect([sent.status, codeOf(sent)]).toEqual([422, 'idempotency_mismatch'])
      refused++
    }
    for (const amount of won) coins += amount ?? 0
  }
  expect(await effectsOn(players)).toEqual({ transactions: races, entries: races, events: races, coins })
  tell('same-key-herd, two bodies', { races, calls: races * atOnce, 'refused or told to wait': refused })
})
