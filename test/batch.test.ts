import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId, type PlayerId } from '#contract/ids.ts'
import {
  type Batch,
  type BatchSent,
  batchBody,
  briefly,
  effectsOn,
  type Item,
  resultsOf,
  sendBatch,
} from './batch-calls.ts'
import { cell, startWorld, type World } from './harness.ts'
import { codeOf, makePlayers, moveCall, sentOf } from './wallet-calls.ts'

/** A batch as its one cell does it. What the edge does with several is in split.test.ts. */

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const one = async (): Promise<PlayerId> => {
  const [playerId] = await makePlayers(world, 1)
  if (!playerId) throw new Error('a player was made')
  return playerId
}

const grants = (playerIds: readonly PlayerId[], amount = 10): Item[] =>
  playerIds.map((playerId) => ({ playerId, amount }))

/** A single transaction, under a key that a caller chose. */
const single = async (playerId: PlayerId, key: string) =>
  sentOf(await world.askCore(moveCall(world, { playerId, key, changes: [{ currency: 'coins', amount: 1 }] })))

test('a hundred grants take effect once each, and are told in their order', async () => {
  const playerIds = await makePlayers(world, 100)
  const results = resultsOf(await sendBatch(world, { items: grants(playerIds) }))
  expect(results.map(({ playerId }) => playerId)).toEqual(playerIds)
  expect(new Set(briefly(results))).toEqual(new Set(['applied']))
  expect(await effectsOn(world, playerIds)).toEqual({ transactions: 100, events: 100, coins: 1_000 })
})

test('a refusal says what a single transaction would have been told, and leaves the others as they are', async () => {
  const [first, second, third] = [await one(), await one(), await one()]
  const stranger = newId('player', cell, Date.now())
  const items: Item[] = [
    { playerId: first, amount: 10 },
    { playerId: second, amount: -1 },
    { playerId: stranger, amount: 1 },
    { playerId: third, amount: 1, currency: 'shells' },
    { playerId: third, amount: 2_000_000_000 },
    { playerId: third, amount: 5 },
  ]
  const results = resultsOf(await sendBatch(world, { items }))
  expect(briefly(results)).toEqual([
    'applied',
    'insufficient_funds',
    'not_found',
    'currency_unknown',
    'balance_cap_exceeded',
    'applied',
  ])
  expect(results[1]).toMatchObject({ playerId: second, problem: { currency: 'coins', balance: 0, needed: 1 } })
  expect(await effectsOn(world, [first, second, third])).toEqual({ transactions: 2, events: 2, coins: 15 })
})

test('the transactions of one player happen in their order', async () => {
  const playerId = await one()
  const amounts = [-1, 3, -3, -1, 7]
  const results = resultsOf(await sendBatch(world, { items: amounts.map((amount) => ({ playerId, amount })) }))
  expect(briefly(results)).toEqual(['insufficient_funds', 'applied', 'applied', 'insufficient_funds', 'applied'])
  expect(await effectsOn(world, [playerId])).toEqual({ transactions: 3, events: 3, coins: 7 })
})

test('a retry gets the same bytes, refusals and all, and changes nothing', async () => {
  const playerIds = await makePlayers(world, 5)
  const batch = { items: [...grants(playerIds), ...grants(playerIds, -11)], key: randomUUID() }
  const first = await sendBatch(world, batch)
  const again = await sendBatch(world, batch)
  expect([first.replayed, again.replayed, again.text]).toEqual([false, true, first.text])
  expect(await effectsOn(world, playerIds)).toEqual({ transactions: 5, events: 5, coins: 50 })
})

test('a retry finds what took effect also after the keys were forgotten', async () => {
  const playerIds = await makePlayers(world, 3)
  const batch = { items: grants(playerIds), key: randomUUID() }
  const first = await sendBatch(world, batch)
  await world.sql`delete from idempotency_claims where key = ${batch.key} or key like ${`${batch.key} %`}`
  const again = await sendBatch(world, batch)
  expect([again.replayed, again.text]).toEqual([true, first.text])
  expect(await effectsOn(world, playerIds)).toEqual({ transactions: 3, events: 3, coins: 30 })
})

test('an item that could not be done is told to be sent again, and a retry does it and replays the rest', async () => {
  const playerIds = await makePlayers(world, 5)
  const held = playerIds[2] ?? ''
  const batch = { items: grants(playerIds), key: randomUUID() }
  const { first } = await world.sql.begin(async (tx) => {
    await tx`select from wallets where player_id = ${held} for update`
    return { first: await sendBatch(world, batch) }
  })
  const before = resultsOf(first)
  expect(briefly(before)).toEqual(['applied', 'applied', 'unavailable, retryable', 'applied', 'applied'])

  const retried = await sendBatch(world, batch)
  const after = resultsOf(retried)
  expect(briefly(after)).toEqual(playerIds.map(() => 'applied'))
  expect(after.toSpliced(2, 1)).toEqual(before.toSpliced(2, 1))
  const last = await sendBatch(world, batch)
  expect([first.replayed, retried.replayed, last.replayed, last.text]).toEqual([false, false, true, retried.text])
  expect(await effectsOn(world, playerIds)).toEqual({ transactions: 5, events: 5, coins: 50 })
})

test('what breaks one item is told of it and logged, and the others stand', async () => {
  const playerIds = await makePlayers(world, 3)
  await world.sql.unsafe(
    `alter table wallets add constraint test_broken check (player_id <> '${playerIds[1]}') not valid`,
  )
  const linesBefore = world.logLines.length
  const batch = { items: grants(playerIds), key: randomUUID() }
  const first = resultsOf(await sendBatch(world, batch))
  await world.sql.unsafe('alter table wallets drop constraint test_broken')
  expect(briefly(first)).toEqual(['applied', 'internal, retryable', 'applied'])
  expect(world.logLines.slice(linesBefore).some((line) => line.includes('test_broken'))).toBe(true)
  expect(briefly(resultsOf(await sendBatch(world, batch)))).toEqual(['applied', 'applied', 'applied'])
  expect(await effectsOn(world, playerIds)).toEqual({ transactions: 3, events: 3, coins: 30 })
})

test('another body under the same key is refused as a whole, be it longer, shorter or in another order', async () => {
  const playerIds = await makePlayers(world, 4)
  const items = grants(playerIds)
  const batch = { items: items.slice(0, 3), key: randomUUID() }
  await sendBatch(world, batch)
  for (const other of [items, items.slice(0, 2), items.slice(0, 3).toReversed()]) {
    const refused = await sendBatch(world, { ...batch, items: other })
    expect([refused.status, codeOf(refused)]).toEqual([422, 'idempotency_mismatch'])
  }
  expect(await effectsOn(world, playerIds)).toEqual({ transactions: 3, events: 3, coins: 30 })
})

test('a key is one call’s, be it a batch or a single transaction', async () => {
  const playerId = await one()
  const [ofBatch, ofSingle] = [randomUUID(), randomUUID()]
  await sendBatch(world, { items: grants([playerId]), key: ofBatch })
  expect((await single(playerId, ofSingle)).status).toBe(200)
  expect(codeOf(await single(playerId, ofBatch))).toBe('idempotency_mismatch')
  expect(codeOf(await sendBatch(world, { items: grants([playerId]), key: ofSingle }))).toBe('idempotency_mismatch')
  expect(await effectsOn(world, [playerId])).toEqual({ transactions: 2, events: 2, coins: 11 })
})

test('no key that a caller can choose is that of an item, however long the batch’s own', async () => {
  for (const key of [randomUUID(), randomUUID().padEnd(255, 'x')]) {
    const playerId = await one()
    const batch = { items: grants([playerId, playerId]), key }
    const first = await sendBatch(world, batch)
    expect(briefly(resultsOf(first))).toEqual(['applied', 'applied'])
    const stored = await world.sql<{ reference: string }[]>`
      select reference from wallet_transactions where player_id = ${playerId}`
    for (const { reference } of stored) {
      const { code, errors } = JSON.parse((await single(playerId, reference)).text)
      expect([code, errors?.[0]?.pointer]).toEqual(['idempotency_key_invalid', '/Idempotency-Key'])
    }
    expect((await sendBatch(world, batch)).text).toBe(first.text)
  }
})

/** As a caller does that means it: what could not be done, on a machine that is busy, is sent again under the same key. */
const untilDone = async (batch: Batch): Promise<BatchSent> => {
  for (;;) {
    const sent = await sendBatch(world, batch)
    if (sent.status === 200 && !briefly(resultsOf(sent)).some((result) => result.endsWith('retryable'))) return sent
    expect([200, 409, 503]).toContain(sent.status)
  }
}

test('many calls with one key at once have one effect an item, and one answer', async () => {
  const playerIds = await makePlayers(world, 40)
  const batch = { items: grants(playerIds), key: randomUUID() }
  const sent = await Promise.all(Array.from({ length: 8 }, () => untilDone(batch)))
  expect(new Set(sent.map(({ text }) => text)).size).toBe(1)
  expect(await effectsOn(world, playerIds)).toEqual({ transactions: 40, events: 40, coins: 400 })
})

test('a retry does all of a batch whose core ended when no more than its key was claimed', async () => {
  const playerIds = await makePlayers(world, 20)
  const key = randomUUID()
  const items = grants(playerIds)
  await sendBatch(world, { items, key })
  await world.sql.begin(async (tx) => {
    await tx`delete from idempotency_claims where key like ${`${key} %`}`
    for (const table of ['wallet_entries', 'wallet_transactions'])
      await tx`delete from ${tx(table)} where player_id = any(${playerIds})`
    await tx`update wallets set balances = '{}' where player_id = any(${playerIds})`
  })
  expect(briefly(resultsOf(await sendBatch(world, { items, key })))).toEqual(items.map(() => 'applied'))
  expect(await effectsOn(world, playerIds)).toMatchObject({ transactions: 20, coins: 200 })
})

test('a body that is not good is pointed at item by item, by the edge as by the core', async () => {
  const playerId = await one()
  const bodies = [
    ['{"transactions":[]}', '/transactions'],
    [batchBody(grants(Array.from({ length: 101 }, () => playerId))), '/transactions'],
    [
      batchBody([
        { playerId, amount: 1 },
        { playerId, amount: 0 },
      ]),
      '/transactions/1/changes/0/amount',
    ],
    [batchBody([{ playerId: 'ply_1' as PlayerId, amount: 1 }]), '/transactions/0/playerId'],
    [`{"transactions":[{"playerId":"${playerId}"}]}`, '/transactions/0/changes'],
  ] as const
  const headers = {
    authorization: `Bearer ${world.keys.server}`,
    'content-type': 'application/json',
    'idempotency-key': randomUUID(),
  }
  const path = '/v1/wallet/transactions'
  for (const [body, pointer] of bodies) {
    const ofEdge = await fetch(world.edgeUrl + path, { method: 'POST', headers, body })
    const ofCore = await world.askCore({ method: 'POST', path, principal: { kind: 'server' }, headers, body })
    const [edge, core] = [JSON.parse(await ofEdge.text()), JSON.parse(await ofCore.text())]
    expect(edge.errors[0].pointer).toBe(pointer)
    expect({ ...edge, requestId: '' }).toEqual({ ...core, requestId: '' })
  }
  expect(await effectsOn(world, [playerId])).toEqual({ transactions: 0, events: 0, coins: 0 })
})
