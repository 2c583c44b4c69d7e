import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cpuOf } from '#bench/cpu.ts'
import { newId, type PlayerId } from '#contract/ids.ts'
import type { CoreCall } from '#test/core-call.ts'
import { type CoreProcess, startCoreProcess } from '#test/core-process.ts'
import { type CostlyDatabase, makeCostly } from '#test/costly-database.ts'
import { createRandom, sized, tell } from '#test/guarantee.ts'
import { cell, startWorld, type World } from '#test/harness.ts'
import { type Called, runOpenLoad } from '#test/open-load.ts'
import { quantileOf } from '#test/quantile.ts'
import { watchStalls } from '#test/stalls.ts'
import { makePlayers, moveCall } from '#test/wallet-calls.ts'

/** Connections of the core, half of which serve what is sent here. */
const pool = 8
/** What a statement takes of one of them. */
const costMs = 40
/** Callers of a core that has as much to do as it can: four times as many as its connections work for, since a set serves many. */
const peakCallers = 16
const peakSeconds = sized({ short: 4, long: 20 })
const times = 3
const overloadSeconds = sized({ short: 12, long: 600 })
const normalSeconds = sized({ short: 6, long: 60 })
/** Of the overload: in the first seconds the limit finds its place. */
const settlingMs = 3_000
const stallMs = 100
/** What came due meanwhile is sent at once, and answered within this. */
const burstMs = 1_000
/** How long a caller waits. */
const deadlineMs = 2_000
const playersCount = 500

let world: World
let database: CostlyDatabase
let core: CoreProcess
let players: PlayerId[]
/** So many that none of them comes near to what a device may sign in: one each two seconds. */
const deviceIds = Array.from({ length: 200 }, () => randomUUID())

beforeAll(async () => {
  world = await startWorld()
  players = await makePlayers(world, playersCount)
  for (const deviceId of deviceIds) await world.signIn(deviceId)
  await world.platform.stop()
  database = await makeCostly(world, { costMs, selects: ['wallets'], inserts: ['wallet_transactions', 'sessions'] })
  core = await startCoreProcess(world, {
    DATABASE_URL: database.url,
    DATABASE_POOL: String(pool),
    CONCURRENCY_MIN: String(pool / 2),
  })
})
afterAll(async () => {
  await core?.stop()
  await database?.drop()
  await world?.stop()
})

const random = createRandom()
const one = <Item>(items: readonly Item[]): Item => {
  const item = items[Math.floor(random() * items.length)]
  if (item === undefined) throw new Error('there is none')
  return item
}

const makers: Record<string, () => CoreCall> = {
  'sign-in': () => ({
    method: 'POST',
    path: '/v1/auth/device',
    principal: { kind: 'client', keyId: newId('key', cell, Date.now()) },
    body: JSON.stringify({ deviceId: one(deviceIds), create: false }),
  }),
  write: () => moveCall(world, { playerId: one(players), changes: [{ currency: 'coins', amount: 1 }] }),
  batch: () => ({
    method: 'POST',
    path: '/v1/wallet/transactions',
    principal: { kind: 'server' },
    headers: { authorization: `Bearer ${world.keys.server}`, 'idempotency-key': randomUUID() },
    body: JSON.stringify({
      transactions: [1, 2].map((amount) => ({
        playerId: one(players),
        changes: [{ currency: 'coins', amount }],
        reason: 'test',
      })),
    }),
  }),
  read: () => ({
    method: 'GET',
    path: '/v1/wallet',
    principal: { kind: 'player', playerId: one(players), sessionId: newId('session', cell, Date.now()), epoch: 0 },
  }),
}

/** Of twenty, two sign in, four write, one is a batch, all others read. */
const anyName = () => {
  const at = random()
  return at < 0.1 ? 'sign-in' : at < 0.3 ? 'write' : at < 0.35 ? 'batch' : 'read'
}

const send = () => sendAs(anyName())

const sendAs = (name: string) => {
  const make = makers[name]
  if (!make) throw new Error(name)
  const call = make()
  const limited = { ...call, headers: { ...call.headers, 'perigee-deadline-ms': String(deadlineMs) } }
  const answer = core.ask(limited).then(async (response) => {
    await response.arrayBuffer()
    return response.status
  })
  return { name, answer }
}

/** What a core can do at the most: callers who each wait for their answer. */
const runClosedLoad = async (callers: number, seconds: number): Promise<Called[]> => {
  const calls: Called[] = []
  const startedAt = performance.now()
  const caller = async () => {
    for (let at = 0; at < seconds * 1_000; at = performance.now() - startedAt) {
      const sentAt = performance.now()
      const { name, answer } = send()
      const status = await answer.catch(() => 0)
      calls.push({ name, status, durationMs: performance.now() - sentAt, at })
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return calls
}

const isGood = ({ status, durationMs }: Called) => status >= 200 && status < 300 && durationMs <= deadlineMs
const p99Of = (calls: readonly Called[]) =>
  quantileOf(
    calls.filter(isGood).map(({ durationMs }) => durationMs),
    0.99,
  )
const shareOf = (calls: readonly Called[], name: string) => {
  const named = calls.filter((call) => call.name === name)
  return named.filter(isGood).length / named.length
}

/** What a core did under a load: answers in time, and what those took that took longest. */
const measureClosed = async () => {
  const calls = await runClosedLoad(peakCallers, peakSeconds)
  return { rate: calls.filter(isGood).length / peakSeconds, p99Ms: p99Of(calls) }
}

/** Batches, which a core that has enough to do refuses at once. */
const refusedRate = 500
const refusedSeconds = 4

/** Microseconds of CPU that the core uses meanwhile, beside what work results in. */
const costOf = async <Result>(work: () => Promise<Result>): Promise<[result: Result, usedUs: number]> => {
  const before = cpuOf(core.pid) ?? Number.NaN
  const result = await work()
  return [result, (cpuOf(core.pid) ?? Number.NaN) - before]
}

/** Microseconds of CPU for a refusal: of what the core uses while it refuses, without what it answers beside, at the price of before. */
const measureRefusals = async (): Promise<number> => {
  const answer = () => runClosedLoad(peakCallers, refusedSeconds)
  const refuse = () => runOpenLoad({ rate: refusedRate, seconds: refusedSeconds, random, call: () => sendAs('batch') })
  const [alone, aloneUs] = await costOf(answer)
  const [[batches, beside], usedUs] = await costOf(() => Promise.all([refuse(), answer()]))
  const refusals = [...batches, ...beside].filter(({ status }) => status === 503).length
  return (usedUs - (aloneUs / alone.filter(isGood).length) * beside.filter(isGood).length) / refusals
}

test('at three times its capacity a core does what it can in time, and lets whoever signs in sign in', {
  timeout: sized({ short: 120_000, long: 1_200_000 }),
}, async () => {
  await runClosedLoad(peakCallers, 2)
  const before = await measureClosed()
  const stalls = watchStalls(stallMs)
  const overloadFrom = Date.now()
  const overload = await runOpenLoad({ rate: times * before.rate, seconds: overloadSeconds, random, call: send })
  const afterFrom = Date.now()
  const after = await runOpenLoad({ rate: before.rate / 2, seconds: normalSeconds, random, call: send })
  stalls.stop()
  const again = await measureClosed()
  /** Whoever was not sent in the burst that follows when this process stood still, which sends for all. */
  const isCalm =
    (from: number) =>
    ({ at, durationMs }: Called) =>
      !stalls.meet(from + at - burstMs, from + at + durationMs)
  // Others use this machine too: what was its capacity at both times is what it had in between.
  const peak = Math.min(before.rate, again.rate)
  const p99Ms = Math.max(before.p99Ms, again.p99Ms)

  const settled = overload.filter(({ at }) => at >= settlingMs)
  const calm = settled.filter(isCalm(overloadFrom))
  const goodput = settled.filter(isGood).length / (overloadSeconds - settlingMs / 1_000)
  const refused = overload.filter(({ status }) => status === 503).length
  const refusalUs = await measureRefusals()
  // A batch may meet another one at any load.
  const normal = after.filter(isCalm(afterFrom)).filter(({ name }) => name !== 'batch')
  const normalAfterMs = Math.max(0, ...normal.filter((call) => !isGood(call)).map(({ at }) => at))
  tell('overload', {
    'peak/s before': Math.round(before.rate),
    'peak/s after': Math.round(again.rate),
    'offered/s': Math.round(overload.length / overloadSeconds),
    'goodput/s': Math.round(goodput),
    'share of peak': (goodput / peak).toFixed(2),
    'p99 at peak ms': Math.round(p99Ms),
    'p99 of accepted ms': Math.round(p99Of(calm)),
    'sign-ins': shareOf(calm, 'sign-in').toFixed(4),
    writes: shareOf(settled, 'write').toFixed(2),
    reads: shareOf(settled, 'read').toFixed(2),
    batches: shareOf(settled, 'batch').toFixed(2),
    refused,
    'CPU us a refusal': Math.round(refusalUs),
    'normal after ms': Math.round(normalAfterMs),
  })
  expect(goodput).toBeGreaterThanOrEqual(0.8 * peak)
  expect(calm.length).toBeGreaterThan(settled.length / 2)
  expect(p99Of(calm)).toBeLessThanOrEqual(2 * p99Ms)
  expect(shareOf(calm, 'sign-in')).toBeGreaterThanOrEqual(0.99)
  expect(shareOf(settled, 'write')).toBeGreaterThan(shareOf(settled, 'read'))
  expect(shareOf(settled, 'read')).toBeGreaterThan(shareOf(settled, 'batch'))
  // An overload leaves no mark: else the lower peak would be an easy one.
  expect(again.rate).toBeGreaterThan(0.5 * before.rate)
  expect(refusalUs).toBeLessThan(1_000)
  expect(normal.at(-1)?.at).toBeGreaterThan(normalAfterMs)
  expect(normalAfterMs).toBeLessThan(60_000)
})
