import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PlayerId } from '#contract/ids.ts'
import { connectionsOf } from '#db/client.ts'
import type { DataCentre } from '#infra/local/data-centre.ts'
import { type CoreProcess, startCoreProcess } from '#test/core-process.ts'
import { createRandom, sized, tell } from '#test/guarantee.ts'
import { startWorld, type World } from '#test/harness.ts'
import { startIsolates } from '#test/isolates.ts'
import { type PostgresBehindProxy, startPostgresBehindProxy } from '#test/postgres-behind-proxy.ts'
import { quantileOf } from '#test/quantile.ts'
import { startSessions } from '#test/sessions.ts'
import { type Stalls, watchStalls } from '#test/stalls.ts'
import { makePlayers, moveCall, sentOf } from '#test/wallet-calls.ts'

/** How long the network swallows everything, and how long the server is dead. */
const darkMs = sized({ short: 6_000, long: 60_000 })
const deadMs = sized({ short: 1_000, long: 10_000 })
/** Before, between and after: long enough for several hundred calls that are well. */
const wellMs = sized({ short: 1_500, long: 10_000 })
const writeEveryMs = 50
const readEveryMs = 50
/** Callers come again after a second, then after two, and so on; all at once they would be another test. */
const comesAgainMaxMs = 8_000
const playersCount = 100
const poolMax = 8
const refusedMaxMs = 300
const stallMs = 50
const resumedMaxMs = 10_000
const answeredMaxMs = 30_000
/** Sessions are counted this often on the server itself. */
const countEveryMs = 20

let server: PostgresBehindProxy
let world: World
let core: CoreProcess
let centre: DataCentre
let players: PlayerId[]
let tokens: string[]
const random = createRandom()
/** The way to Postgres goes through this process. */
let stalls: Stalls

beforeAll(async () => {
  stalls = watchStalls(stallMs)
  server = await startPostgresBehindProxy()
  world = await startWorld({ databaseUrl: server.url })
  // What this process would do by itself only adds to what is measured.
  await world.platform.stop()
  players = await makePlayers(world, playersCount)
  tokens = await startSessions(world, { players: players.slice(0, 8), inMs: darkMs / 2 })
  const settings = { DATABASE_URL: server.proxiedUrl, DATABASE_POOL: String(poolMax) }
  core = await startCoreProcess(world, settings)
  centre = await startIsolates(world, { isolates: 1, coreUrl: core.url })
}, 120_000)
afterAll(async () => {
  await centre?.stop()
  await core?.stop()
  await world?.stop()
  await server?.stop()
  stalls?.stop()
})

const pick = <Item>(items: readonly Item[]): Item =>
  items[Math.floor(random() * items.length)] ?? expect.fail('there are some')

/** One try of a write or a read: where, when since the load began, how long it took, and what became of it. */
type Try = {
  readonly at: number
  readonly ms: number
  readonly by: 'core' | 'edge'
  readonly status: number
  readonly retryAfter: string | null
}

type Asked = { readonly key: string; readonly playerId: PlayerId; readonly answers: Set<string> }

const grant = async ({ key, playerId }: Asked, by: Try['by']) => {
  const call = moveCall(world, { playerId, key, changes: [{ currency: 'coins', amount: 1 }] })
  if (by === 'core') return sentOf(await core.ask(call))
  const headers = { ...call.headers, 'content-type': 'application/json' }
  return sentOf(await fetch(`${centre.urls[0]}${call.path}`, { method: 'POST', headers, body: call.body ?? '' }))
}

/** Grants at an even pace, each until it has its answer; half of them through the edge. Stopped, it waits for all answers. */
const startWrites = (startedAt: number) => {
  const tries: Try[] = []
  const asked: Asked[] = []
  const calls: Promise<void>[] = []
  let isOver = false

  const untilAnswered = async (one: Asked): Promise<void> => {
    const lastMs = performance.now() + darkMs + deadMs + answeredMaxMs
    for (let pauseMs = 1_000; ; pauseMs = Math.min(2 * pauseMs, comesAgainMaxMs)) {
      const by = random() < 0.5 ? 'core' : 'edge'
      const at = performance.now()
      const { status, text, retryAfter } = await grant(one, by)
      tries.push({ at: at - startedAt, ms: performance.now() - at, by, status, retryAfter })
      if (status < 500 && status !== 409) return void one.answers.add(`${status} ${text}`)
      if (performance.now() > lastMs) throw new Error(`no answer under ${one.key}`)
      await pause(pauseMs * (0.5 + random()))
    }
  }
  const run = async () => {
    while (!isOver) {
      const one = { key: randomUUID(), playerId: pick(players), answers: new Set<string>() }
      asked.push(one)
      calls.push(untilAnswered(one))
      await pause(Math.max(0, asked.length * writeEveryMs - (performance.now() - startedAt)))
    }
    await Promise.all(calls)
  }
  const running = run()
  return {
    tries,
    asked,
    stop: () => {
      isOver = true
      return running
    },
  }
}

/** Reads of profiles that were read before, through the edge. */
const startReads = (startedAt: number) => {
  const tries: Try[] = []
  const calls: Promise<void>[] = []
  let isOver = false
  const read = async () => {
    const at = performance.now()
    const headers = { authorization: `Bearer ${pick(tokens)}` }
    const { status, retryAfter } = await sentOf(
      await fetch(`${centre.urls[0]}/v1/players/${pick(players)}`, { headers }),
    )
    tries.push({ at: at - startedAt, ms: performance.now() - at, by: 'edge', status, retryAfter })
  }
  const run = async () => {
    while (!isOver) {
      calls.push(read())
      await pause(Math.max(0, calls.length * readEveryMs - (performance.now() - startedAt)))
    }
    await Promise.all(calls)
  }
  const running = run()
  return {
    tries,
    stop: () => {
      isOver = true
      return running
    },
  }
}

/** Counts the core's sessions on the server, again and again, and keeps the highest count. */
const startCounting = () => {
  const sql = postgres(server.url, { max: 1, onnotice: () => {}, backoff: false })
  const counts: number[] = []
  let isOver = false
  const run = async () => {
    while (!isOver) {
      const rows = await sql<{ sessions: number }[]>`
        select count(*)::int as sessions from pg_stat_activity where application_name like 'perigee-core-%'`.catch(
        () => [],
      )
      for (const { sessions } of rows) counts.push(sessions)
      await pause(countEveryMs)
    }
    await sql.end({ timeout: 0 })
  }
  const running = run()
  return {
    counts,
    stop: () => {
      isOver = true
      return running
    },
  }
}

/** Between two moments. */
const within = (tries: readonly Try[], from: number, to: number) => tries.filter(({ at }) => at >= from && at < to)

const differencesOf = async (asked: readonly Asked[]) => {
  const sql = postgres(server.url, { max: 1, onnotice: () => {} })
  const ledger = await sql<{ reference: string; player_id: PlayerId }[]>`
    select reference, player_id from wallet_transactions`
  const [drift] = await sql<{ wallets: number }[]>`
    select count(*)::int as wallets from wallets w where coalesce((balances->>'coins')::int, 0)
      <> (select count(*) from wallet_transactions t where t.player_id = w.player_id)`
  await sql.end({ timeout: 1 })
  const references = new Set(ledger.map(({ reference }) => reference))
  const applied = asked.filter(({ answers }) => [...answers].every((answer) => answer.startsWith('200 ')))
  return {
    notApplied: asked.length - applied.length,
    lost: applied.filter(({ key }) => !references.has(key)).length,
    double: ledger.length - references.size,
    drift: drift?.wallets,
  }
}

test('a silent and then a killed Postgres: writes are refused at once and go on soon after, reads go on, nothing is lost', {
  timeout: 2 * (darkMs + deadMs) + 180_000,
}, async () => {
  // The working set is in the data centre before the network goes.
  for (const playerId of players) {
    const headers = { authorization: `Bearer ${pick(tokens)}` }
    expect((await fetch(`${centre.urls[0]}/v1/players/${playerId}`, { headers })).status).toBe(200)
  }
  const startedAt = performance.now()
  const since = () => performance.now() - startedAt
  const writes = startWrites(startedAt)
  const reads = startReads(startedAt)
  const counting = startCounting()

  await pause(wellMs)
  const silentAt = since()
  server.proxy.hang()
  await pause(darkMs)
  server.proxy.resume()
  const backAt = since()
  await pause(wellMs)
  const killedAt = since()
  await server.kill()
  await pause(deadMs)
  await server.restart()
  const restartedAt = since()
  await pause(wellMs)
  await Promise.all([writes.stop(), reads.stop()])
  await counting.stop()

  const dark = within(writes.tries, silentAt, backAt)
  const dead = within(writes.tries, killedAt, restartedAt)
  /** What the machine made late, by standing still meanwhile, is left out. */
  const isCalm = ({ at, ms }: Try) => {
    const sentAt = performance.timeOrigin + startedAt + at
    return !stalls.meet(sentAt, sentAt + ms)
  }
  const ofDark = (by: Try['by']) => dark.filter((one) => one.by === by && isCalm(one)).map(({ ms }) => ms)
  const resumed = (from: number) =>
    Math.min(...writes.tries.filter((one) => one.at >= from && one.status === 200).map(({ at, ms }) => at + ms - from))
  const differences = await differencesOf(writes.asked)
  const darkReads = within(reads.tries, silentAt, restartedAt)
  const sessionsMax = Math.max(...counting.counts)
  tell('postgres-failover', {
    'seconds of silence': (darkMs / 1_000).toFixed(1),
    grants: writes.asked.length,
    tries: writes.tries.length,
    'tries in silence': dark.length,
    'refused at the core, p50 ms': Math.round(quantileOf(ofDark('core'), 0.5)),
    'p99 ms': Math.round(quantileOf(ofDark('core'), 0.99)),
    'slowest ms': Math.round(quantileOf(ofDark('core'), 1)),
    'through the edge, p50 ms': Math.round(quantileOf(ofDark('edge'), 0.5)),
    'edge p99 ms': Math.round(quantileOf(ofDark('edge'), 0.99)),
    'edge slowest ms': Math.round(quantileOf(ofDark('edge'), 1)),
    'cached reads meanwhile': darkReads.length,
    'of them 200': darkReads.filter(({ status }) => status === 200).length,
    'writes went on after ms': Math.round(resumed(backAt)),
    'tries while the server was dead': dead.length,
    'and after its restart ms': Math.round(resumed(restartedAt)),
    'sessions at the most': sessionsMax,
    lost: differences.lost,
    double: differences.double,
  })
  expect(differences).toEqual({ notApplied: 0, lost: 0, double: 0, drift: 0 })
  const badly = [...dark, ...dead].filter(
    ({ status, retryAfter }) => status >= 400 && (status !== 503 || !/^[1-9]\d*$/.test(retryAfter ?? '')),
  )
  expect(badly).toEqual([])
  expect(dark.length).toBeGreaterThan(darkMs / writeEveryMs / 2)
  // The moment of silence is found while they run: what is sent last before it may still be answered.
  expect(within(writes.tries, silentAt + refusedMaxMs, backAt).every(({ status }) => status === 503)).toBe(true)
  expect(quantileOf(ofDark('core'), 0.99)).toBeLessThanOrEqual(refusedMaxMs)
  expect(quantileOf(ofDark('edge'), 0.99)).toBeLessThanOrEqual(refusedMaxMs)
  expect(darkReads.filter(({ status }) => status !== 200)).toEqual([])
  expect(resumed(backAt)).toBeLessThanOrEqual(resumedMaxMs)
  expect(resumed(restartedAt)).toBeLessThanOrEqual(resumedMaxMs)
  expect(sessionsMax).toBeLessThanOrEqual(connectionsOf(poolMax))
})
