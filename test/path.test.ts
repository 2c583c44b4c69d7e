import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { getProfile } from '#contract/players.ts'
import { eventually } from './eventually.ts'
import { startExtraEdge } from './extra-edge.ts'
import { startWorld, type World } from './harness.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

test('a second sign-in with a device finds the player that the first one made', async () => {
  const deviceId = randomUUID()
  const first = await world.client().signInWithDevice({ body: { deviceId, displayName: 'Ada' } })
  const second = await world.client().signInWithDevice({ body: { deviceId } })
  expect(first.body).toMatchObject({ created: true, player: { displayName: 'Ada' }, cell: 'eu1' })
  expect(second.body).toMatchObject({ created: false, player: { id: first.body.player.id } })
})

test('a cached profile is read again without touching the core', async () => {
  const { client, playerId } = await world.signIn()
  const miss = await client.getProfile({ params: { playerId } })
  expect(miss.headers.get('cache-status')).toBe('perigee; fwd=miss; detail=core')
  const before = world.coreRequests()
  for (let read = 0; read < 20; read++) {
    const hit = await client.getProfile({ params: { playerId } })
    expect(hit.headers.get('cache-status')).toMatch(/^perigee; hit; ttl=[01]; detail=memory$/)
    expect(hit.body).toEqual(miss.body)
  }
  expect(world.coreRequests() - before).toBe(0)
})

test('a grant that is sent twice takes effect once and is answered with the same bytes', async () => {
  const { client, playerId } = await world.signIn()
  const server = world.client({ bearer: world.keys.server })
  const call = { params: { playerId }, body: { changes: [{ currency: 'coins', amount: 100 }], reason: 'welcome' } }
  const idempotencyKey = randomUUID()
  const first = await server.createWalletTransaction(call, { idempotencyKey })
  const again = await server.createWalletTransaction(call, { idempotencyKey })
  expect(again.headers.get('idempotency-replayed')).toBe('true')
  expect(again.body).toEqual(first.body)
  expect(first.body.balances).toEqual([
    { currency: 'coins', amount: 100 },
    { currency: 'gems', amount: 0 },
  ])
  expect((await client.getWallet()).body).toEqual({ balances: first.body.balances })
  expect(await world.sql`select amount, balance_after from wallet_entries where player_id = ${playerId}`).toEqual([
    { amount: '100', balance_after: '100' },
  ])
})

test('of 200 calls at once with one key, one writes one ledger entry and nobody gets another answer', async () => {
  const { playerId } = await world.signIn()
  const server = world.client({ bearer: world.keys.server })
  const call = { params: { playerId }, body: { changes: [{ currency: 'coins', amount: 7 }], reason: 'herd' } }
  const idempotencyKey = randomUUID()
  const send = () =>
    server.createWalletTransaction(call, { idempotencyKey }).then(
      ({ body }) => JSON.stringify(body),
      ({ code }) => code,
    )
  const answers = await Promise.all(Array.from({ length: 200 }, send))
  const given = new Set(answers.filter((answer) => answer !== 'idempotency_in_flight'))
  expect(given.size).toBe(1)
  expect([...given][0]).toContain('transactionId')
  expect(await world.sql`select amount from wallet_entries where player_id = ${playerId}`).toEqual([{ amount: '7' }])
  console.log(
    `200 calls, 1 entry; ${answers.length - answers.filter((a) => given.has(a)).length} were told to come again`,
  )
})

test('spending more than there is names currency, balance and need, and changes nothing', async () => {
  const { client, playerId } = await world.signIn()
  const server = world.client({ bearer: world.keys.server })
  const body = {
    changes: [
      { currency: 'coins', amount: 5 },
      { currency: 'gems', amount: -3 },
    ],
    reason: 'shop',
  }
  await expect(server.createWalletTransaction({ params: { playerId }, body })).rejects.toMatchObject({
    code: 'insufficient_funds',
    problem: { currency: 'gems', balance: 0, needed: 3 },
  })
  expect((await client.getWallet()).body.balances).toEqual([
    { currency: 'coins', amount: 0 },
    { currency: 'gems', amount: 0 },
  ])
})

/** A writer and a reader, and a second edge, whose isolate shares no memory with the first, for the reader too. */
const onTwoEdges = async () => {
  const writer = await world.signIn()
  const reader = await world.signIn()
  const elsewhere = await startExtraEdge(world, { cores: { eu1: world.coreUrl } })
  onTestFinished(elsewhere.stop)
  const readerElsewhere = world.client({ bearer: reader.accessToken, baseUrl: elsewhere.url })
  const params = { playerId: writer.playerId }
  return { writer, reader, elsewhere, readerElsewhere, params }
}

test('a profile change is seen by its writer at once, on whatever edge, and by others within the bound', async () => {
  const { writer, reader, elsewhere, readerElsewhere, params } = await onTwoEdges()
  // Both edges hold the entry in their memories, and Upstash has it too.
  await reader.client.getProfile({ params })
  await readerElsewhere.getProfile({ params })

  const changed = await writer.client.updateOwnProfile({ body: { displayName: 'Grace' } })
  const token = changed.headers.get('perigee-consistency')
  expect(token).toBeTruthy()
  expect((await writer.client.getProfile({ params })).body.displayName).toBe('Grace')
  const writerElsewhere = world.client({ bearer: writer.accessToken, baseUrl: elsewhere.url })
  const own = await writerElsewhere.getProfile({ params }, { headers: { 'perigee-consistency': token ?? '' } })
  expect(own.body.displayName).toBe('Grace')
})

test('a reader on another edge sees a change within the life of its copy and an invalidation', async () => {
  const { writer, elsewhere, params } = await onTwoEdges()
  const lates: number[] = []
  for (const displayName of ['One', 'Two', 'Three']) {
    // Each reader asks so often that the edge would soon refuse the same one.
    const { accessToken } = await world.signIn()
    const reader = world.client({ bearer: accessToken, baseUrl: elsewhere.url })
    await reader.getProfile({ params })
    await writer.client.updateOwnProfile({ body: { displayName } })
    const seen = async () => (await reader.getProfile({ params })).body.displayName === displayName
    lates.push(await eventually(seen, getProfile.delivery.freshMs + 1_000))
  }
  console.log(`seen on another edge after ${lates.map(Math.round).join(', ')} ms (bound: 2000 ms and an invalidation)`)
})
