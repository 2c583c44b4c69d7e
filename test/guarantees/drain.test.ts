import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PlayerId } from '#contract/ids.ts'
import type { DataCentre } from '#infra/local/data-centre.ts'
import { type Balancer, startBalancer } from '#test/balancer.ts'
import { type CoreProcess, startCoreProcess } from '#test/core-process.ts'
import { eventually } from '#test/eventually.ts'
import { createRandom, sized, tell } from '#test/guarantee.ts'
import { type SignedIn, startWorld, type World } from '#test/harness.ts'
import { startIsolates } from '#test/isolates.ts'
import { makePlayers } from '#test/wallet-calls.ts'

const restarts = sized({ short: 3, long: 30 })
/** Beside everything else that runs on the machine while the tests do. */
const callsPerSecond = sized({ short: 100, long: 500 })
/** One is always on its way out or in; the others serve. */
const placesCount = sized({ short: 2, long: 3 })
/** A start costs one of two cores for seconds: an instance leaves so long after the one before it, and the load catches up between them. */
const restMs = sized({ short: 0, long: 10_000 })
/**
 * Of ten calls four read a profile, which caches answer mostly. Of the others, which reach a core, three in ten grant, under a key of
 * their own, as in the simulation; the rest reads a wallet.
 */
const mix = { cached: 0.4, direct: 0.42 }
const callersCount = 20
/** Calls without an answer, half of what an isolate has room for: on a machine that stands still for a second nobody asks on. */
const outstandingMax = 128
const walletCount = 100
const stopMaxMs = 10_000
/** Until the load is what it is to be. */
const warmUpMs = 1_000
/** The lease of a relay that was cut, and as much again. */
const publishedMaxMs = 40_000
const testMaxMs = sized({ short: 120_000, long: 1_800_000 })

let world: World
let balancer: Balancer
let centre: DataCentre
let callers: SignedIn[]
let players: PlayerId[]
const random = createRandom()
const stops: (() => unknown)[] = []

beforeAll(async () => {
  world = await startWorld({ bus: 'direct' })
  stops.push(() => world.stop())
  balancer = await startBalancer()
  stops.push(() => balancer.stop())
  centre = await startIsolates(world, { isolates: 1, coreUrl: balancer.url })
  stops.push(() => centre.stop())
  callers = await Promise.all(Array.from({ length: callersCount }, () => world.signIn()))
  players = await makePlayers(world, walletCount)
  // What publishes and consumes is what is restarted, and nobody else.
  await world.platform.stop()
})
afterAll(async () => {
  for (const stop of stops.toReversed()) await stop()
})

const pick = <Item>(items: readonly Item[]): Item =>
  items[Math.floor(random() * items.length)] ?? expect.fail('there are some')

/** Clients that take the first answer, whatever it is. */
const createClients = () => {
  const acknowledged = new Set<string>()
  const wrong: string[] = []
  let calls = 0

  const send = async (path: string, init: RequestInit): Promise<number> => {
    calls++
    const sent = await fetch(`${centre.urls[0]}${path}`, init).then(
      async (answer) => ({ status: answer.status, text: await answer.text() }),
      (error: unknown) => ({ status: 0, text: String(error) }),
    )
    if (sent.status !== 200) wrong.push(`${path}: ${sent.status} ${sent.text}`)
    return sent.status
  }
  const read = (path: string) => send(path, { headers: { authorization: `Bearer ${pick(callers).accessToken}` } })
  const grant = async () => {
    const key = randomUUID()
    const status = await send(`/v1/players/${pick(players)}/wallet/transactions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${world.keys.server}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: JSON.stringify({ changes: [{ currency: 'coins', amount: 1 }], reason: 'test' }),
    })
    if (status === 200) acknowledged.add(key)
  }
  const act = (): Promise<unknown> => {
    const choice = random()
    if (choice < mix.cached) return read(`/v1/players/${pick(callers).playerId}`)
    return choice < mix.cached + mix.direct ? read('/v1/wallet') : grant()
  }
  return { act, acknowledged, wrong, calls: () => calls }
}

/** Acts at an even pace until `work` is over, as long as answers come. Answers the calls a second. */
const loadWhile = async (act: () => Promise<unknown>, work: Promise<unknown>): Promise<number> => {
  let isOver = false
  const over = work.finally(() => {
    isOver = true
  })
  const startedAt = performance.now()
  const acting = new Set<Promise<unknown>>()
  let acts = 0
  while (!isOver) {
    while (acting.size >= outstandingMax) await Promise.race(acting)
    const one = act().finally(() => acting.delete(one))
    acting.add(one)
    acts++
    await pause(Math.max(0, (acts * 1_000) / callsPerSecond - (performance.now() - startedAt)))
  }
  const seconds = (performance.now() - startedAt) / 1_000
  await Promise.all([over, ...acting])
  return acts / seconds
}

const startPlace = async (): Promise<CoreProcess> => {
  const core = await startCoreProcess(world, { ROLE: 'all', DATABASE_POOL: '8', INSTANCES_MAX: String(placesCount) })
  balancer.add(core.url)
  await eventually(async () => balancer.isReady(core.url), stopMaxMs)
  return core
}

/** Stops one after the other, as a platform does, while another starts in its place. Answers how long each took to leave. */
const restartInTurn = async (places: CoreProcess[]): Promise<number[]> => {
  const tookMs: number[] = []
  for (let restart = 0; restart < restarts; restart++) {
    const leaving = places[restart % placesCount] ?? expect.fail('there are places')
    await pause(restMs)
    // The worst moment: for as long as it can the balancer knows nothing.
    await balancer.untilAsked(leaving.url)
    const askedAt = performance.now()
    process.kill(leaving.pid, 'SIGTERM')
    const left = leaving.exited.then((exit) => {
      tookMs.push(performance.now() - askedAt)
      return exit
    })
    places[restart % placesCount] = await startPlace()
    expect(await left).toEqual({ code: 0, signal: null })
    expect(balancer.hasTakenLeave(leaving.url), 'it said that it leaves').toBe(true)
    // Not before: that it has gone the balancer finds out by itself.
    balancer.remove(leaving.url)
    await leaving.stop()
  }
  return tookMs
}

test('instances that are told to stop one after another under load cost no caller an answer, and nothing is lost', {
  timeout: testMaxMs,
}, async () => {
  const places: CoreProcess[] = []
  stops.push(() => Promise.all(places.map((place) => place.stop())))
  places.push(...(await Promise.all(Array.from({ length: placesCount }, startPlace))))
  const { act, acknowledged, wrong, calls } = createClients()
  const restarting = pause(warmUpMs).then(() => restartInTurn(places))
  const rate = await loadWhile(act, restarting)
  const tookMs = await restarting

  const ledger = await world.sql<{ reference: string }[]>`select reference from wallet_transactions`
  const references = new Set(ledger.map(({ reference }) => reference))
  const unpublished = () => world.sql`select from outbox where published_at is null limit 1`
  await eventually(async () => (await unpublished()).length === 0, publishedMaxMs)
  tell('drain', {
    restarts,
    instances: placesCount,
    calls: calls(),
    'calls a second': rate.toFixed(0),
    'sent to cores': balancer.counts.sent,
    'not answered with 200': wrong.length,
    'failed between balancer and core': balancer.counts.failed.length,
    'nobody ready': balancer.counts.nobody,
    'longest stop ms': Math.round(Math.max(...tookMs)),
    'keys acknowledged': acknowledged.size,
    'in the ledger': references.size,
  })
  expect(wrong).toEqual([])
  // An edge that tries again would hide it; and nobody is to need that here.
  expect(balancer.counts).toMatchObject({ failed: [], nobody: 0 })
  expect(Math.max(...tookMs)).toBeLessThan(stopMaxMs)
  expect(references).toEqual(acknowledged)
  expect(acknowledged.size).toBeGreaterThan(0)
})
