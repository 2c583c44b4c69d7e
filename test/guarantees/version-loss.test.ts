import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, inject, test } from 'vitest'
import { getProfile } from '#contract/players.ts'
import { startUpstash } from '#infra/local/upstash.ts'
import { createMemoryStore } from '#infra/local/upstash-memory-store.ts'
import { createRedisStore } from '#infra/local/upstash-redis-store.ts'
import { createUpstash } from '#infra/upstash.ts'
import { createDatabase, createIsolate, createSharedTier, type Isolate, type Pause } from '#test/cache-model.ts'
import { eventually } from '#test/eventually.ts'
import { createRandom, seed, sized, tell } from '#test/guarantee.ts'
import { createCore, createLossyStage, type Event, type LossyStage } from '#test/lossy-stage.ts'

const schedules = sized({ short: 3_000, long: 100_000 })
const liveMs = sized({ short: 3_000, long: 120_000 })
const testMaxMs = sized({ short: 60_000, long: 3_600_000 })

/** Those of a route, in which hours pass. */
const lives = getProfile.delivery
const keys = ['a', 'b'] as const

/** What happens at once; in which order, and which of its parts later, is the scheduler's choice. */
type Action =
  | { readonly kind: 'read'; readonly isolate: number; readonly key: string }
  | { readonly kind: 'write'; readonly key: string; readonly gone: boolean }
type Round = { readonly actions: readonly Action[]; readonly events: readonly Event[] }

const key = fc.constantFrom(...keys)
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('read' as const), isolate: fc.nat(2), key }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('write' as const), key, gone: fc.nat(9).map((at) => at === 0) }),
  },
)
/** From a moment to two hours, each order of magnitude as often as another. */
const pass = fc
  .integer({ min: 0, max: 1_000 })
  .map((at) => ({ kind: 'pass' as const, ms: Math.round((2 * lives.hardMs) ** (at / 1_000)) }))
const loseVersion = fc.record({ kind: fc.constant('lose-version' as const), key })
const share = fc.constantFrom(0, 0.3, 1)
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 6, arbitrary: pass },
  { weight: 2, arbitrary: loseVersion },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail-over' as const), from: fc.constantFrom(0, 1) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('losses' as const),
      losses: fc.record({ down: fc.nat(3).map((at) => at === 0), forgetShare: share, divergeShare: share }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('core' as const), gone: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('replicate' as const) }) },
)
const roundsOf = (of: fc.Arbitrary<Event>) =>
  fc.array(
    fc.record({
      actions: fc.array(action, { minLength: 1, maxLength: 5 }),
      events: fc.array(of, { minLength: 1, maxLength: 3 }),
    }),
    { minLength: 3, maxLength: 10 },
  )

const newFigures = () => ({ answers: 0, stale: 0, refused: 0, staleMaxMs: 0, staleMaxWithoutCoreMs: 0 })
type Figures = ReturnType<typeof newFigures>

const judge = (figures: Figures, staleMs: number, reachable: boolean) => {
  figures.answers++
  if (staleMs > 0) figures.stale++
  const figure = reachable ? 'staleMaxMs' : 'staleMaxWithoutCoreMs'
  figures[figure] = Math.max(figures[figure], staleMs)
}

const readOn = async (
  { isolates, core, clock }: LossyStage,
  { isolate: at, key }: Action & { kind: 'read' },
  figures: Figures,
) => {
  const isolate: Isolate = isolates[at] ?? expect.fail('there are three isolates')
  const answer = await isolate.read(key).catch((error: unknown) => {
    if (!core.gone) throw error
    figures.refused++
  })
  if (!answer) return 0
  const staleMs = core.history.staleMs(key, answer.entry.version, clock())
  judge(figures, staleMs, !core.gone)
  return staleMs
}

const writeOn = ({ core, lossy, clock }: LossyStage, { key, gone }: Action & { kind: 'write' }) => {
  const version = core.database.write(key, gone ? undefined : `of ${clock()}`)
  lossy.stores[0].raise([{ tag: key, version }]).catch(() => {})
}

test('whatever Upstash loses, no answer is staler than the stale life, or the hard life with the core gone', {
  timeout: testMaxMs,
}, async () => {
  const startedAt = performance.now()
  const figures = newFigures()
  const play = async (s: fc.Scheduler, rounds: readonly Round[]) => {
    const stage = createLossyStage(s, createRandom(rounds.length))
    for (const { actions, events } of rounds) {
      const act = async (action: Action) => {
        await s.schedule(Promise.resolve(), action.kind)
        if (action.kind === 'write') return writeOn(stage, action)
        const staleMs = await readOn(stage, action, figures)
        expect(staleMs, `how stale ${action.key} is`).toBeLessThan(stage.core.gone ? lives.hardMs : lives.staleMs)
      }
      await s.waitFor(Promise.all(actions.map(act)))
      await stage.settle()
      for (const event of events) stage.happen(event)
    }
  }
  await fc.assert(fc.asyncProperty(fc.scheduler(), roundsOf(event), play), {
    seed,
    numRuns: schedules,
    endOnFailure: true,
  })
  tell('version-loss, schedules', { schedules, ...named(figures), seconds: secondsSince(startedAt) })
  expect(figures.staleMaxMs, 'losses are felt').toBeGreaterThan(10 * lives.freshMs)
  expect(figures.staleMaxWithoutCoreMs, 'so is the core’s absence').toBeGreaterThan(lives.staleMs)
})

test('a version key that was lost is a miss, and nothing is stale beyond the life of a near copy', {
  timeout: testMaxMs,
}, async () => {
  const startedAt = performance.now()
  const figures = newFigures()
  const play = async (s: fc.Scheduler, rounds: readonly Round[]) => {
    const stage = createLossyStage(s, createRandom(rounds.length))
    for (const { actions, events } of rounds) {
      const act = async (action: Action) => {
        await s.schedule(Promise.resolve(), action.kind)
        if (action.kind === 'read') {
          expect(await readOn(stage, action, figures), `how stale ${action.key} is`).toBeLessThan(lives.freshMs)
          return
        }
        writeOn(stage, action)
        stage.core.database.replicate()
      }
      await s.waitFor(Promise.all(actions.map(act)))
      // What was written is told before a key is lost: a fill that is under way then could bring back what was before.
      await s.waitIdle()
      for (const event of events) stage.happen(event)
    }
  }
  const arbitrary = roundsOf(fc.oneof({ weight: 2, arbitrary: pass }, { weight: 1, arbitrary: loseVersion }))
  await fc.assert(fc.asyncProperty(fc.scheduler(), arbitrary, play), { seed, numRuns: schedules, endOnFailure: true })
  tell('version-loss, lost keys', { schedules, ...named(figures), seconds: secondsSince(startedAt) })
  expect(figures.stale, 'near copies are behind for a while').toBeGreaterThan(0)
})

/** Short lives, so that many pass. */
const liveLives = { freshMs: 20, staleMs: 300, hardMs: 600 }
const liveKeys = Array.from({ length: 100 }, () => `loss:${randomUUID()}`)
const readersAtOnce = 12
/** Up to so many milliseconds, evenly. */
const later =
  (maxMs: number): Pause =>
  () =>
    pause(Math.random() * maxMs)

/** Upstash's stand-in with a replica, the stores behind it, and isolates that ask it over HTTP. */
const openLive = async () => {
  const redisUrl = inject('redisUrl')
  const stores = [redisUrl ? createRedisStore(redisUrl) : createMemoryStore(), createMemoryStore()] as const
  const [store, replica] = stores
  const upstash = await startUpstash({ port: 0, token: 'token', readOnlyToken: 'read', store, replica })
  const core = createCore(createDatabase({ clock: Date.now, pause: later(3) }), Date.now)
  const open = () => createUpstash({ url: upstash.url, token: 'token', timeoutMs: 150 })
  const shared = createSharedTier(later(1))
  const isolates = [shared, shared, createSharedTier(later(1))].map((dataCentre) =>
    createIsolate({
      database: core.database,
      store: open(),
      dataCentre,
      lives: liveLives,
      clock: Date.now,
      random: Math.random,
    }),
  )
  const loseVersion = (key: string) => Promise.all(stores.map((one) => one.pipeline([['DEL', `v:${key}`]])))
  return { upstash, core, isolates, tellOf: open(), loseVersion }
}
type Live = Awaited<ReturnType<typeof openLive>>

const oneOf = <Item>(items: readonly Item[]): Item =>
  items[Math.floor(Math.random() * items.length)] ?? expect.fail('an empty list')

/** What goes on beside the reads, each with a pause up to which it is done again. */
const troublesOf = ({ upstash: { faults }, core, tellOf, loseVersion }: Live): [number, () => unknown][] => [
  [
    20,
    () => {
      const tag = oneOf(liveKeys)
      const version = core.database.write(tag, `of ${Date.now()}`)
      tellOf.raise([{ tag, version }]).catch(() => {})
    },
  ],
  [
    400,
    () => {
      faults.dropRate = oneOf([0, 0.1])
      faults.forgetRate = oneOf([0, 0.3])
      faults.divergeRate = oneOf([0, 0.3])
      faults.lagMs = () => Math.random() * 100
    },
  ],
  [
    1_500,
    async () => {
      // So short that some invalidations are cut off, and isolates seldom stop to ask for a second.
      faults.down = true
      await pause(5)
      faults.down = false
    },
  ],
  [80, () => loseVersion(oneOf(liveKeys)).catch(() => {})],
  [40, core.database.replicate],
  [
    1_000,
    async () => {
      await pause(500)
      core.outages++
      core.gone = true
      await later(2 * liveLives.hardMs)('the core is gone')
      core.gone = false
    },
  ],
]

/** Reads until it is over. What is read while the core goes or comes back is held to the wider bound. */
const readLive = async ({ core, isolates }: Live, over: AbortSignal, figures: Figures): Promise<void> => {
  while (!over.aborted) {
    const key = oneOf(liveKeys)
    const { gone, outages } = core
    const sentAt = Date.now()
    const answer = await oneOf(isolates)
      .read(key)
      .catch(() => undefined)
    const reachable = !gone && outages === core.outages
    if (!answer && reachable) throw new Error('the core was there and nothing was answered')
    if (answer) judge(figures, core.history.staleMs(key, answer.entry.version, sentAt), reachable)
    else figures.refused++
  }
}

test('over real HTTP no loss makes anything staler than that', { timeout: testMaxMs }, async () => {
  const startedAt = performance.now()
  const live = await openLive()
  const figures = newFigures()
  const over = new AbortController()
  const trouble = async ([maxMs, happen]: [number, () => unknown]) => {
    for (; !over.signal.aborted; await later(maxMs)('trouble')) await happen()
  }
  // A busy machine reads less, and then it takes longer until a loss is felt.
  const isEnough = async () =>
    performance.now() - startedAt > liveMs && figures.staleMaxMs > 2 * liveLives.freshMs && figures.refused > 0
  const readers = Array.from({ length: readersAtOnce }, () => readLive(live, over.signal, figures))
  await Promise.all([
    ...readers,
    ...troublesOf(live).map(trouble),
    eventually(isEnough, 12 * liveMs).finally(() => over.abort()),
  ])
  for (const isolate of live.isolates) await isolate.idle()
  await live.upstash.close()
  tell('version-loss, live', { ...named(figures), outages: live.core.outages, seconds: secondsSince(startedAt) })
  expect(figures.staleMaxMs).toBeLessThan(liveLives.staleMs)
  expect(figures.staleMaxWithoutCoreMs).toBeLessThan(liveLives.hardMs)
})

const secondsSince = (startedAt: number) => Math.round((performance.now() - startedAt) / 1_000)

const named = ({ answers, stale, refused, staleMaxMs, staleMaxWithoutCoreMs }: Figures) => ({
  answers,
  stale,
  refused,
  'stale at the most, ms': staleMaxMs,
  'with the core gone, ms': staleMaxWithoutCoreMs,
})
