import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { edgeHeaders } from '#contract/edge-request.ts'
import type { ErrorCode } from '#contract/errors.ts'
import { newId, type PlayerId } from '#contract/ids.ts'
import { Fault, problemContentType, problemText, retryAfterOf } from '#contract/problem.ts'
import { type Batch, batchBody, briefly, effectsOn, type Item, resultsOf, sendBatch } from './batch-calls.ts'
import { type ExtraEdge, isDocument, passDocument, type StandIn, startExtraEdge, startStandIn } from './extra-edge.ts'
import { cell, startWorld, type World } from './harness.ts'
import { codeOf, makePlayers, moveCall, sentOf } from './wallet-calls.ts'

/** A batch over several cells: this world's, which is real, and eight whose cores are played here. */

const others = ['us1', 'us2', 'us3', 'ap1', 'ap2', 'ap3', 'sa1', 'sa2']

/** What a core that is played was asked. */
type Asked = { readonly cell: string; readonly key: string; readonly body: string }

/** How the core of a cell answers: with results, as a replay, with a problem, or not at all. */
type Manner = 'done' | 'replaying' | 'short' | 'gone' | ErrorCode

let world: World
let edge: ExtraEdge
let core: StandIn
let manners: Record<string, Manner>
let asked: Asked[]
/** Resolves before a core answers. */
let gate: (cell: string) => Promise<void>

const play = async (request: IncomingMessage, response: ServerResponse) => {
  if (isDocument(request)) return passDocument(world, request, response)
  const chunks: Uint8Array[] = []
  for await (const chunk of request) chunks.push(chunk)
  const body = Buffer.concat(chunks).toString()
  const here = String(request.headers[edgeHeaders.cell])
  asked.push({ cell: here, key: String(request.headers['idempotency-key']), body })
  await gate(here)
  const manner = manners[here] ?? 'done'
  if (manner === 'gone') return response.destroy()
  if (manner !== 'done' && manner !== 'replaying' && manner !== 'short') {
    const fault = new Fault(manner)
    const text = problemText(fault, String(request.headers['x-request-id']))
    const retryAfter = retryAfterOf(fault)
    return response
      .writeHead(fault.status, { 'content-type': problemContentType, ...(retryAfter && { 'retry-after': retryAfter }) })
      .end(text)
  }
  const items: { playerId: PlayerId }[] = JSON.parse(body).transactions
  const results = items.map(({ playerId }) => ({
    playerId,
    status: 'applied',
    // The same for each of a player's items: what is stored is answered again.
    transactionId: playerId.replace('ply_', 'txn_'),
    balances: [],
  }))
  response.writeHead(200, {
    'content-type': 'application/json',
    [edgeHeaders.moved]: `tag:${here}=7`,
    ...(manner === 'replaying' ? { 'idempotency-replayed': 'true' } : {}),
  })
  return response.end(JSON.stringify({ results: manner === 'short' ? results.slice(1) : results }))
}

beforeAll(async () => {
  world = await startWorld()
  core = await startStandIn((request, response) => void play(request, response))
  edge = await startExtraEdge(world, {
    cores: { [cell]: world.coreUrl, ...Object.fromEntries(others.map((name) => [name, core.url])) },
  })
})
afterAll(async () => {
  await edge?.stop()
  await core?.stop()
  await world?.stop()
})
beforeEach(() => {
  manners = {}
  asked = []
  gate = async () => {}
})

const send = (batch: Batch) => sendBatch(world, { edgeUrl: edge.url, ...batch })

const playerIn = (name: string) => newId('player', cell, Date.now()).replace(`_${cell}_`, `_${name}_`) as PlayerId

const grant = (playerId: PlayerId): Item => ({ playerId, amount: 10 })

/** Two players of this world between two of another cell. */
const mixed = async (name = 'us1') => {
  const here = await makePlayers(world, 2)
  const there = [playerIn(name), playerIn(name)]
  return { here, there, items: [there[0], here[0], here[1], there[1]].flatMap((id) => (id ? [grant(id)] : [])) }
}

test('each cell gets the items of its players in their order, and the results come in the order of all', async () => {
  const here = await makePlayers(world, 3)
  const playerIds = Array.from({ length: 24 }, (_, at) => playerIn(others[(at * 5) % 4] ?? ''))
  for (const [at, playerId] of here.entries()) playerIds.splice(at * 7, 0, playerId)
  const items = playerIds.map(grant)
  const key = randomUUID()
  const results = resultsOf(await send({ items, key }))
  expect(results.map(({ playerId }) => playerId)).toEqual(playerIds)
  expect(briefly(results)).toEqual(items.map(() => 'applied'))
  const expected = others.slice(0, 4).map((name) => {
    const own = items.filter(({ playerId }) => playerId.startsWith(`ply_${name}_`))
    return { cell: name, key, body: batchBody(own) }
  })
  const byCell = (a: Asked, b: Asked) => a.cell.localeCompare(b.cell)
  expect(asked.toSorted(byCell)).toEqual(expected.toSorted(byCell))
  expect(await effectsOn(world, here)).toEqual({ transactions: 3, events: 3, coins: 30 })
})

test('a body whose players live in one cell goes there as it is', async () => {
  const items = [grant(playerIn('us2')), grant(playerIn('us2'))]
  await send({ items, key: 'the-key' })
  expect(asked).toEqual([{ cell: 'us2', key: 'the-key', body: batchBody(items) }])
})

test('the key of a batch is taken in each of its cells, for other calls too', async () => {
  const { here, items } = await mixed()
  const [playerId] = here
  if (!playerId) throw new Error('players were made')
  const key = randomUUID()
  await send({ items, key })
  const call = moveCall(world, { playerId, key, changes: [{ currency: 'coins', amount: 1 }] })
  expect(codeOf(await sentOf(await world.askCore(call)))).toBe('idempotency_mismatch')
  expect(codeOf(await send({ items: [grant(playerId)], key }))).toBe('idempotency_mismatch')
  expect(await effectsOn(world, here)).toEqual({ transactions: 2, events: 2, coins: 20 })
})

test('a player of a cell that does not exist is not found, as one who does not exist is', async () => {
  const { items } = await mixed()
  const strangers = [playerIn('zz9'), newId('player', cell, Date.now())]
  const results = resultsOf(await send({ items: [...strangers.map(grant), ...items] }))
  expect(briefly(results)).toEqual(['not_found', 'not_found', ...items.map(() => 'applied')])
  const [nowhere, nobody] = results.map((result) =>
    result.status === 'refused' ? { ...result, playerId: '', problem: { ...result.problem, requestId: '' } } : result,
  )
  expect(nowhere).toEqual(nobody)
})

test('a cell that is gone costs its own items; a retry does them, and replays the rest byte for byte', async () => {
  const { here, items } = await mixed()
  const batch = { items, key: randomUUID() }
  manners = { us1: 'gone' }
  const first = await send(batch)
  expect(briefly(resultsOf(first))).toEqual(['unavailable, retryable', 'applied', 'applied', 'unavailable, retryable'])

  manners = { us1: 'done' }
  const second = await send(batch)
  expect(briefly(resultsOf(second))).toEqual(['applied', 'applied', 'applied', 'applied'])
  expect(resultsOf(second).slice(1, 3)).toEqual(resultsOf(first).slice(1, 3))
  manners = { us1: 'replaying' }
  const third = await send(batch)
  expect(third.text).toBe(second.text)
  expect([first, second, third].map(({ replayed }) => replayed)).toEqual([false, false, true])
  expect(new Set(asked.map(({ body }) => body)).size).toBe(1)
  expect(await effectsOn(world, here)).toEqual({ transactions: 2, events: 2, coins: 20 })
})

test('a cell that never answers costs its own items once the time of the call is up', async () => {
  const { items } = await mixed('us3')
  gate = () => new Promise(() => {})
  const results = resultsOf(await send({ items }))
  const late = 'deadline_exceeded, retryable'
  expect(briefly(results)).toEqual([late, 'applied', 'applied', late])
})

const refusals = [
  ['idempotency_mismatch', 'idempotency_mismatch'],
  ['key_invalid', 'key_invalid'],
  ['idempotency_in_flight', 'idempotency_in_flight, retryable'],
  ['internal', 'internal, retryable'],
  ['overloaded', 'overloaded, retryable'],
  ['short', 'unavailable, retryable'],
] as const

test.each(refusals)('a cell that answers its part with %s has that told of its items alone', async (manner, told) => {
  const { here, items } = await mixed()
  manners = { us1: manner }
  const sent = await send({ items })
  expect(briefly(resultsOf(sent))).toEqual([told, 'applied', 'applied', told])
  expect(sent.replayed).toBe(false)
  expect(await effectsOn(world, here)).toEqual({ transactions: 2, events: 2, coins: 20 })
})

test('what all cells say of their parts is the answer', async () => {
  const { here, items } = await mixed()
  manners = { us1: 'key_invalid', us2: 'unavailable' }
  const refused = await send({ items, bearer: 'sk_wrong' })
  expect([refused.status, codeOf(refused)]).toEqual([401, 'key_invalid'])
  const parted = await send({ items: [...items, grant(playerIn('us2'))], bearer: 'sk_wrong' })
  expect(briefly(resultsOf(parted))).toEqual([...items.map(() => 'key_invalid'), 'unavailable, retryable'])
  manners = { us1: 'gone', us2: 'unavailable' }
  const away = await send({ items: [grant(playerIn('us1')), grant(playerIn('us2'))] })
  expect([away.status, codeOf(away), away.retryAfter]).toEqual([503, 'unavailable', '1'])
  manners = { us1: 'overloaded', us2: 'overloaded' }
  const refusedByAll = await send({ items: [grant(playerIn('us1')), grant(playerIn('us2'))] })
  expect([refusedByAll.status, codeOf(refusedByAll), refusedByAll.retryAfter]).toEqual([503, 'overloaded', '1'])
  expect(await effectsOn(world, here)).toEqual({ transactions: 0, events: 0, coins: 0 })
})

test('the caller’s token holds what all cells have moved', async () => {
  const items = ['us1', 'us2', 'ap1'].map((name) => grant(playerIn(name)))
  const { headers } = await send({ items })
  const [, payload = ''] = headers.get('perigee-consistency')?.split('.') ?? []
  const { moved }: { moved: { tag: string; version: number }[] } = JSON.parse(atob(payload))
  expect(moved.map(({ tag, version }) => `${tag} ${version}`).toSorted()).toEqual([
    'tag:ap1 7',
    'tag:us1 7',
    'tag:us2 7',
  ])
})

test('no more than six cells are asked at once, and all are asked', async () => {
  const released = Promise.withResolvers<void>()
  let waiting = 0
  const sixWait = Promise.withResolvers<void>()
  let most = 0
  gate = async () => {
    waiting++
    most = Math.max(most, waiting)
    if (waiting === 6) sixWait.resolve()
    await released.promise
    waiting--
  }
  const sent = send({ items: others.map((name) => grant(playerIn(name))) })
  await sixWait.promise
  // Whoever would be asked too many has the time to be: each look comes after all that has arrived by then.
  for (let look = 0; look < 10 && waiting === 6; look++) await new Promise((resolve) => setTimeout(resolve, 30))
  released.resolve()
  expect(briefly(resultsOf(await sent))).toEqual(others.map(() => 'applied'))
  expect([most, asked.length]).toEqual([6, others.length])
})

test('a body that is not good is sent to no cell', async () => {
  const refused = await send({ items: [grant(playerIn('us1')), { playerId: playerIn('us2'), amount: 0.5 }] })
  expect(JSON.parse(refused.text)).toMatchObject({
    code: 'invalid_request',
    errors: [{ in: 'body', pointer: '/transactions/1/changes/0/amount' }],
  })
  expect(asked).toEqual([])
})
