import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PlayerId } from '#contract/ids.ts'
import { getProfile } from '#contract/players.ts'
import type { DataCentre } from '#infra/local/data-centre.ts'
import { type CoreProxy, startCoreProxy } from '#test/core-proxy.ts'
import { createRandom, sized, tell } from '#test/guarantee.ts'
import { startWorld, type World } from '#test/harness.ts'
import { startIsolates } from '#test/isolates.ts'
import { quantileOf } from '#test/quantile.ts'
import { startSessions } from '#test/sessions.ts'
import { watchStalls } from '#test/stalls.ts'
import { makePlayers } from '#test/wallet-calls.ts'

/** Beyond five minutes nothing is current any more, and all that is served is served because the core is gone. */
const darkMs = sized({ short: 8_000, long: 600_000 })
const { staleMs } = getProfile.delivery
/** How old what was read before is said to be: in the short form, too, the middle of the dark is where nothing is current. */
const agedMs = sized({ short: staleMs - darkMs / 2, long: 0 })
const isolates = 3
/** The working set: all of it was read before the core went, each once in the data centre. */
const playersCount = 300
const callersCount = 8
const readersAtOnce = 10
const readEveryMs = 20
/** Four a second on each isolate: more than the one a second that its breaker lets through. */
const writeEveryMs = 80
const readsServedMin = 0.99
const refusedMaxMs = 300
const recoveredMaxMs = 30_000
/** How long it must go on well to count as recovered. */
const wellMs = 1_000
/** A write that nobody answers takes 5 s, and an isolate stops to ask after five of them; one request a second still asks. */
const openMaxMs = 8_000
const asksEachSecond = 1
/** What is refused at once is refused within a third of this; who stood still for longer measured the machine. */
const stallMs = 100
const testMaxMs = darkMs + 120_000

/** What one request became. `at` and `ms` are milliseconds, the former since the core went; `stalled`: the machine made it late. */
type Seen = {
  readonly isolate: number
  readonly at: number
  readonly ms: number
  readonly status: number
  readonly retryAfter: string | null
  readonly text: string
  readonly stalled: boolean
}

let world: World
let players: PlayerId[]
let tokens: string[]
const random = createRandom()

beforeAll(async () => {
  world = await startWorld()
  players = await makePlayers(world, playersCount)
  // A session's token lives as long as the core is gone: half of that later none of these has expired.
  tokens = await startSessions(world, { players: players.slice(0, callersCount), inMs: darkMs / 2 })
})
afterAll(() => world?.stop())

const pick = <Item>(items: readonly Item[]): Item =>
  items[Math.floor(random() * items.length)] ?? expect.fail('there are some')

/** A data centre behind which the core can go. */
type Place = { readonly core: CoreProxy; readonly centre: DataCentre }

const open = async (): Promise<Place> => {
  const core = await startCoreProxy(world.coreUrl)
  return { core, centre: await startIsolates(world, { isolates, coreUrl: core.url }) }
}
const close = async ({ core, centre }: Place) => {
  await centre.stop()
  await core.stop()
}

const send = async (url: string, init: { readonly player?: PlayerId; readonly name?: string } = {}) => {
  const { player, name } = init
  const response = await fetch(`${url}/v1/players/${player ?? 'me'}`, {
    method: name === undefined ? 'GET' : 'PATCH',
    headers: { authorization: `Bearer ${pick(tokens)}`, 'content-type': 'application/json' },
    ...(name === undefined ? {} : { body: JSON.stringify({ displayName: name }) }),
  })
  return { status: response.status, retryAfter: response.headers.get('retry-after'), text: await response.text() }
}

/** Reads each player once, on the isolates in turn. Answers with what each was like. */
const readAll = async ({ core, centre }: Place): Promise<ReadonlyMap<PlayerId, string>> => {
  const known = new Map<PlayerId, string>()
  const queue = players.entries()
  const read = async () => {
    for (const [at, player] of queue) {
      const { status, text } = await send(centre.urls[at % isolates] ?? '', { player })
      expect(status).toBe(200)
      known.set(player, text)
    }
  }
  core.ageMs = agedMs
  await Promise.all(Array.from({ length: readersAtOnce }, read))
  core.ageMs = 0
  return known
}

/** Asks at an even pace, whatever became of what was asked before, for `forMs`. */
const load = async (
  urls: readonly string[],
  everyMs: number,
  forMs: number,
  ask: (url: string) => ReturnType<typeof send>,
): Promise<Seen[]> => {
  const startedAt = performance.now()
  const stalls = watchStalls(stallMs)
  const asked: Promise<Seen>[] = []
  while (performance.now() - startedAt < forMs) {
    const at = performance.now() - startedAt
    const isolate = asked.length % urls.length
    const sentAt = Date.now()
    asked.push(
      ask(urls[isolate] ?? '').then((answer) => {
        const ms = performance.now() - startedAt - at
        return { ...answer, isolate, at, ms, stalled: stalls.meet(sentAt, Date.now()) }
      }),
    )
    await pause(Math.max(0, asked.length * everyMs - (performance.now() - startedAt)))
  }
  const seen = await Promise.all(asked)
  stalls.stop()
  return seen
}

/** Takes the core away, as `how` says, while readers read and writers write. */
const goDark = async (place: Place, how: 'refusing' | 'silent') => {
  const known = await readAll(place)
  await place.core.be(how)
  const { urls } = place.centre
  let wrong = 0
  const read = async (url: string) => {
    const player = pick(players)
    const answer = await send(url, { player })
    if (answer.status === 200 && answer.text !== known.get(player)) wrong++
    return answer
  }
  const [reads, writes] = await Promise.all([
    load(urls, readEveryMs, darkMs, read),
    load(urls, writeEveryMs, darkMs, (url) => send(url, { name: 'Nobody' })),
  ])
  const startedAt = performance.now()
  await place.core.be('passing')
  const recoveredMs = await untilWell(place)
  return { reads, writes, wrong, recoveredMs: Math.round(recoveredMs), tookMs: performance.now() - startedAt }
}

/** As all players are named: one who still cannot ask the core, in the other test, is not to find another text in Upstash. */
const name = 'Ada'

/** Answers how long it took until every isolate served everything, and went on to. */
const untilWell = async ({ centre }: Place): Promise<number> => {
  const startedAt = performance.now()
  let wellFrom = startedAt
  while (performance.now() - wellFrom < wellMs) {
    const answers = await Promise.all(
      centre.urls.flatMap((url) => [send(url, { name }), send(url), send(url, { player: pick(players) })]),
    )
    if (answers.some(({ status }) => status !== 200)) wellFrom = performance.now()
    if (performance.now() - startedAt > 2 * recoveredMaxMs) break
    await pause(50)
  }
  return wellFrom - startedAt
}

const timesOf = (seen: readonly Seen[]) => seen.map(({ ms }) => ms)

const figuresOf = (reads: readonly Seen[], writes: readonly Seen[]) => {
  const served = reads.filter(({ status }) => status === 200)
  return {
    'minutes without the core': (darkMs / 60_000).toFixed(2),
    reads: reads.length,
    'reads served, %': ((100 * served.length) / reads.length).toFixed(2),
    'reads p50 ms': Math.round(quantileOf(timesOf(reads), 0.5)),
    'reads p99 ms': Math.round(quantileOf(timesOf(reads), 0.99)),
    'slowest read ms': Math.round(quantileOf(timesOf(reads), 1)),
    writes: writes.length,
  }
}

test.concurrent(
  'with a core that refuses connections cached reads go on, writes are refused at once, and all is well soon after',
  async () => {
    const place = await open()
    const { reads, writes, wrong, recoveredMs } = await goDark(place, 'refusing')
    await close(place)
    const times = timesOf(writes.filter(({ stalled }) => !stalled))
    tell('core-dark, refused', {
      ...figuresOf(reads, writes),
      'writes refused, p50 ms': Math.round(quantileOf(times, 0.5)),
      'writes refused, p99 ms': Math.round(quantileOf(times, 0.99)),
      'slowest write ms': Math.round(quantileOf(times, 1)),
      wrong,
      'recovered after ms': recoveredMs,
    })
    expect(wrong).toBe(0)
    expect(reads.filter(({ status }) => status === 200).length / reads.length).toBeGreaterThanOrEqual(readsServedMin)
    expect(writes.filter(({ status, retryAfter }) => status !== 503 || !/^[1-9]\d*$/.test(retryAfter ?? ''))).toEqual(
      [],
    )
    expect(quantileOf(times, 0.99)).toBeLessThanOrEqual(refusedMaxMs)
    expect(recoveredMs).toBeLessThanOrEqual(recoveredMaxMs)
  },
  testMaxMs,
)

test.concurrent(
  'with a core that takes everything and answers nothing the same holds once the breaker has opened',
  async () => {
    const place = await open()
    const { reads, writes, wrong, recoveredMs } = await goDark(place, 'silent')
    await close(place)
    const { before, after } = byBreaker(writes)
    const quick = after.filter(({ ms }) => ms <= refusedMaxMs)
    const slow = after.filter(({ ms, stalled }) => ms > refusedMaxMs && !stalled)
    tell('core-dark, silent', {
      ...figuresOf(reads, writes),
      'writes before the breaker opened': before.length,
      'the slowest of them ms': Math.round(quantileOf(timesOf(before), 1)),
      'opened after ms, at most': Math.round(Math.max(...openedAt(writes).values())),
      'writes after that': after.length,
      'of them refused at once': quick.length,
      'p99 of these ms': Math.round(quantileOf(timesOf(quick), 0.99)),
      'of them let through to ask': slow.length,
      'the slowest of these ms': Math.round(Math.max(0, ...timesOf(slow))),
      wrong,
      'recovered after ms': recoveredMs,
    })
    expect(wrong).toBe(0)
    expect(reads.filter(({ status }) => status === 200).length / reads.length).toBeGreaterThanOrEqual(readsServedMin)
    for (const at of openedAt(writes).values()) expect(at, 'when the breaker opened').toBeLessThanOrEqual(openMaxMs)
    expect(openedAt(writes).size).toBe(isolates)
    expect(quick.filter(({ status, retryAfter }) => status !== 503 || !/^[1-9]\d*$/.test(retryAfter ?? ''))).toEqual([])
    expect(slow.length).toBeLessThanOrEqual(isolates * asksEachSecond * Math.ceil(darkMs / 1_000))
    expect(quick.length).toBeGreaterThan(slow.length)
    expect(recoveredMs).toBeLessThanOrEqual(recoveredMaxMs)
  },
  testMaxMs,
)

/** When each isolate refused a write at once for the first time. */
const openedAt = (writes: readonly Seen[]): ReadonlyMap<number, number> => {
  const first = new Map<number, number>()
  for (const { isolate, at, ms, status } of writes)
    if (status === 503 && ms <= refusedMaxMs && !first.has(isolate)) first.set(isolate, at)
  return first
}

/** Writes that were sent before their isolate's breaker had opened, and after. */
const byBreaker = (writes: readonly Seen[]) => {
  const opened = openedAt(writes)
  const isBefore = ({ isolate, at }: Seen) => at < (opened.get(isolate) ?? Number.POSITIVE_INFINITY)
  return { before: writes.filter(isBefore), after: writes.filter((write) => !isBefore(write)) }
}
