import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '#test/eventually.ts'
import { createRandom, sized, tell } from '#test/guarantee.ts'
import { type LaggingWorld, lagMaxMs, startLaggingWorld } from '#test/lagging-world.ts'
import { agreeMaxMs, createObserver, type Observer } from '#test/observer.ts'
import { type Caller, type ProfileRead, readProfile, rename, signInCallers } from '#test/profile-calls.ts'

/** New players for each shift, which ends before their access tokens do. */
const shifts = sized({ short: 1, long: 5 })
const shiftMs = sized({ short: 4_000, long: 240_000 })
/** Beyond the life of a copy, so that an isolate that knows more asks those who know less. */
const longestLagMs = sized({ short: 4_000, long: lagMaxMs })
const playersOfShift = 24
const samplersAtOnce = 6
/** Each player about once in two seconds: a version has to live for a while to be taken back by one before it. */
const writeShare = 0.08
const ownReadShare = 0.6
const actionPauseMs = 120
const lookEveryMs = 50
const faultEveryMs = 700
const agreeShareMin = 0.99999
const testMaxMs = sized({ short: 60_000, long: 3_600_000 })

const random = createRandom()
const below = (count: number) => Math.floor(random() * count)
const oneOf = <Item>(items: readonly Item[]): Item => items[below(items.length)] ?? expect.fail('an empty list')
let lagging: LaggingWorld

beforeAll(async () => {
  lagging = await startLaggingWorld({ random, longestMs: longestLagMs })
})
afterAll(() => lagging?.stop())

/** Does something again and again until the load is over. */
const repeat = async (over: AbortSignal, everyMs: () => number, work: () => Promise<unknown>): Promise<void> => {
  while (!over.aborted) {
    await work()
    await pause(everyMs(), undefined, { signal: over }).catch(() => {})
  }
}

/** Half of the time Upstash is well; else it is slow, up to beyond what an edge waits, or fails and loses answers. */
const changeFaults = async (): Promise<void> => {
  const { faults } = lagging.world.upstash
  const well = random() < 0.5
  faults.latencyMs = well ? 0 : oneOf([20, 120, 200])
  faults.errorRate = well ? 0 : random() * 0.1
  faults.dropRate = well ? 0 : random() * 0.1
}

const endFaults = () => Object.assign(lagging.world.upstash.faults, { latencyMs: 0, errorRate: 0, dropRate: 0 })

/** What those who echo tokens have been through. */
const echoing = { reads: 0, writes: 0, regressions: 0 }

/** A player who does one thing after the other, each on any isolate, and echoes the last token. */
const createPlayer = (observer: Observer, caller: Caller, others: readonly Caller[]) => {
  let tokens: string | undefined
  let seen = 0
  return async (): Promise<void> => {
    const url = oneOf(lagging.urls)
    const drawn = random()
    if (drawn < writeShare) {
      tokens = (await rename(url, { caller, displayName: `of ${Date.now()}`, tokens })).token
      echoing.writes++
      return
    }
    const { playerId } = drawn < writeShare + ownReadShare ? caller : oneOf(others)
    const { status, version } = await observer.judge(url, playerId, () =>
      readProfile(url, { caller, playerId, tokens }),
    )
    if (playerId !== caller.playerId || status !== 200) return
    echoing.reads++
    if (version < seen) echoing.regressions++
    seen = version
  }
}

const load = async (observer: Observer, callers: readonly Caller[], sample: Sample): Promise<void> => {
  const over = AbortSignal.timeout(shiftMs)
  const players = callers.map((caller) => createPlayer(observer, caller, callers))
  const work = [
    repeat(over, () => faultEveryMs, changeFaults),
    ...players.map((act) => repeat(over, () => random() * actionPauseMs * 2, act)),
    ...Array.from({ length: samplersAtOnce }, () =>
      repeat(
        over,
        () => 0,
        () => sample(oneOf(lagging.urls), oneOf(callers)),
      ),
    ),
  ]
  await Promise.all(work).finally(endFaults)
}

type Sample = (url: string, caller: Caller) => Promise<ProfileRead>

/** Nothing is written any more: what is asked until it agrees says how long that takes. The judge says whether it is too long. */
const settle = async (observer: Observer, callers: readonly Caller[], sample: Sample): Promise<void> => {
  const current = await observer.look()
  const agrees = async (url: string, caller: Caller) =>
    (await sample(url, caller)).version === current.get(caller.playerId)
  const pairs = lagging.urls.flatMap((url) => callers.map((caller) => ({ url, caller })))
  await Promise.all(pairs.map(({ url, caller }) => eventually(() => agrees(url, caller), 2 * agreeMaxMs)))
}

const playShift = async (): Promise<Observer['counts']> => {
  const { world, urls } = lagging
  const callers = await signInCallers(world, oneOf(urls), playersOfShift)
  const ids = callers.map(({ playerId }) => playerId)
  const observer = createObserver(world, ids)
  const [anyone = expect.fail('nobody signed in')] = callers
  const sample: Sample = (url, { playerId }) =>
    observer.judge(url, playerId, () => readProfile(url, { caller: anyone, playerId }))
  const over = new AbortController()
  const looks = repeat(over.signal, () => lookEveryMs, observer.look)
  try {
    await load(observer, callers, sample)
    await settle(observer, callers, sample)
  } finally {
    over.abort()
    await looks
  }
  return observer.counts
}

test('what isolates answer never goes back, nor for who echoes tokens, and agrees with the database within ten seconds', {
  timeout: testMaxMs,
}, async () => {
  const startedAt = performance.now()
  const all: Observer['counts'][] = []
  for (let shift = 0; shift < shifts; shift++) all.push(await lagging.whileLagging(playShift))
  const sum = (of: keyof Observer['counts']) => all.reduce((total, counts) => total + counts[of], 0)
  const latestMs = Math.max(...all.map((counts) => counts.latestMs))
  tell('observer', {
    samples: sum('samples'),
    'behind the database': sum('stale'),
    [`by more than ${agreeMaxMs} ms`]: sum('late'),
    'the latest, ms': latestMs,
    'regressions within an isolate': sum('regressions'),
    'reads with tokens': echoing.reads,
    'regressions of these': echoing.regressions,
    writes: echoing.writes,
    'reads that failed': sum('failed'),
    seconds: Math.round((performance.now() - startedAt) / 1_000),
  })
  expect(sum('regressions'), 'regressions within an isolate').toBe(0)
  expect(echoing.regressions, 'regressions of readers who echo tokens').toBe(0)
  expect(1 - sum('late') / sum('samples'), 'the share that agrees').toBeGreaterThanOrEqual(agreeShareMin)
  expect(sum('stale'), 'some answers are behind').toBeGreaterThan(0)
  expect(sum('failed'), 'the core is there all the time').toBe(0)
})
