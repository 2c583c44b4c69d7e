import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { expect, inject, test } from 'vitest'
import { startUpstash } from '#infra/local/upstash.ts'
import { createMemoryStore } from '#infra/local/upstash-memory-store.ts'
import { createRedisStore } from '#infra/local/upstash-redis-store.ts'
import { createUpstash, type VersionedStore } from '#infra/upstash.ts'
import { createDatabase, createIsolate, createSharedTier, type Isolate, type Pause } from '#test/cache-model.ts'
import { createRandom, seed, sized, tell } from '#test/guarantee.ts'

const schedules = sized({ short: 10_000, long: 200_000 })
const races = sized({ short: 3_000, long: 100_000 })

/** So long that nothing is renewed for its age: what is renewed then is renewed for a version. */
const lives = { freshMs: 4, staleMs: 3_600_000, hardMs: 7_200_000 }
const keys = ['a', 'b'] as const

/** One thing that happens; when it does, and when its parts do, is the scheduler's choice. */
type Action =
  | { readonly kind: 'read'; readonly isolate: number; readonly key: string }
  | {
      readonly kind: 'write'
      readonly key: string
      readonly gone: boolean
      readonly told: number
      readonly readsOn: number
    }
  | { readonly kind: 'replicate' }
  | { readonly kind: 'catch-up' }
  | { readonly kind: 'pass'; readonly ms: number }

const key = fc.constantFrom(...keys)
const isolate = fc.nat(2)
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('read'), isolate, key }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('write'),
      key,
      gone: fc.nat(4).map((at) => at === 0),
      told: fc.integer({ min: 1, max: 2 }),
      readsOn: isolate,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('replicate', 'catch-up') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass'), ms: fc.integer({ min: 1, max: 6 }) }) },
) as fc.Arbitrary<Action>

/** Upstash with a replica that answers look-ups and is behind until `catchUp`; every step may be late. */
const createLaggingStore = (pause: Pause) => {
  type State = { entries: Map<string, string>; versions: Map<string, number> }
  const primary: State = { entries: new Map(), versions: new Map() }
  let replica: State = { entries: new Map(), versions: new Map() }
  const raiseOne = (tag: string, version: number) =>
    primary.versions.set(tag, Math.max(primary.versions.get(tag) ?? 0, version))
  const store: VersionedStore = {
    lookUp: async (key, tag) => {
      await pause(`upstash is asked for ${key}`)
      const found = { entry: replica.entries.get(key) ?? null, version: replica.versions.get(tag) ?? null }
      await pause(`upstash answers ${key}`)
      return found
    },
    fill: async (key, { tag, version }, { text }) => {
      await pause(`upstash keeps ${key} at ${version}`)
      primary.entries.set(key, text)
      raiseOne(tag, version)
      return { keys: 1 }
    },
    raise: async (tags) => {
      await pause(`upstash hears of ${tags.map(({ tag, version }) => `${tag}=${version}`)}`)
      for (const { tag, version } of tags) raiseOne(tag, version)
    },
    ping: async () => {},
  }
  const catchUp = (): ReadonlyMap<string, number> => {
    replica = { entries: new Map(primary.entries), versions: new Map(primary.versions) }
    return replica.versions
  }
  return { store, catchUp }
}

/** An isolate, what it has answered with, and what every reader of Upstash could know at what time. */
type Seen = {
  readonly isolate: Isolate
  readonly last: Map<string, number>
  readonly public: { readonly atMs: number; readonly versions: ReadonlyMap<string, number> }[]
  readonly clock: () => number
}

/** Reads, and holds the isolate to all that is promised of an answer, whatever else goes on. */
const readAs = async ({ isolate, last, public: known, clock }: Seen, key: string, floor: number) => {
  const longAgo = clock() - lives.freshMs
  const bound = Math.max(
    0,
    ...known.filter(({ atMs }) => atMs <= longAgo).map(({ versions }) => versions.get(key) ?? 0),
  )
  const { entry } = await isolate.read(key, { floor, since: 0 })
  expect(entry.version, `${key} is at least what its reader wrote`).toBeGreaterThanOrEqual(floor)
  expect(entry.version, `${key} is at least what all knew ${lives.freshMs} ms ago`).toBeGreaterThanOrEqual(bound)
  expect(entry.version, `${key} does not go back within an isolate`).toBeGreaterThanOrEqual(last.get(key) ?? 0)
  last.set(key, entry.version)
  return entry
}

const play = async (s: fc.Scheduler, actions: readonly Action[]): Promise<void> => {
  let nowMs = 1_000
  const clock = () => nowMs
  const pause: Pause = (label) => s.schedule(Promise.resolve(), label)
  const database = createDatabase({ clock, pause })
  const { store, catchUp } = createLaggingStore(pause)
  const dataCentres = [createSharedTier(pause), createSharedTier(pause)]
  const random = createRandom(actions.length)
  const known: Seen['public'] = []
  const publish = () => known.push({ atMs: nowMs, versions: catchUp() })
  // Two isolates of one data centre, and one of another.
  const seen = [0, 0, 1].map((at): Seen => {
    const dataCentre = dataCentres[at] ?? createSharedTier(pause)
    const isolate = createIsolate({ database, store, dataCentre, lives, clock, random })
    return { isolate, last: new Map(), public: known, clock }
  })
  const on = (at: number) => seen[at] ?? expect.fail('there are three isolates')

  const act = async (action: Action) => {
    await pause(action.kind)
    if (action.kind === 'read') await readAs(on(action.isolate), action.key, 0)
    else if (action.kind === 'replicate') database.replicate()
    else if (action.kind === 'catch-up') publish()
    else if (action.kind === 'pass') nowMs += action.ms
    else {
      const version = database.write(action.key, action.gone ? undefined : `of ${nowMs}`)
      for (let time = 0; time < action.told; time++) void store.raise([{ tag: action.key, version }])
      await readAs(on(action.readsOn), action.key, version)
    }
  }
  const acted = Promise.all(actions.map(act))
  await s.waitFor(acted)
  await s.waitIdle()
  publish()
  // The replica of the database stays behind: Upstash knows enough for the core to look beyond it.
  for (const round of [1, 2]) {
    nowMs += lives.freshMs
    const before = database.reads()
    for (const one of seen)
      for (const key of keys) {
        const { version, status } = await s.waitFor(readAs(one, key, 0))
        await s.waitIdle()
        publish()
        const row = database.current(key)
        expect([version, status], `${key} when all is quiet`).toEqual([
          row.version,
          row.value === undefined ? 404 : 200,
        ])
      }
    // What was filled when all was quiet is good for all who come later.
    if (round > 1) expect(database.reads() - before, 'fills that were of no use').toBe(0)
  }
}

test('under no schedule of reads, slow fills, writes and late invalidations is anything stale once all is quiet', {
  timeout: 600_000,
}, async () => {
  const startedAt = performance.now()
  await fc.assert(fc.asyncProperty(fc.scheduler(), fc.array(action, { minLength: 4, maxLength: 14 }), play), {
    seed,
    numRuns: schedules,
    endOnFailure: true,
  })
  tell('stale-fill, schedules', { schedules, stale: 0, seconds: Math.round((performance.now() - startedAt) / 1_000) })
})

/** Upstash's stand-in over what there is, and some isolates that ask it over HTTP. */
const openLive = async (database: ReturnType<typeof createDatabase>) => {
  const redisUrl = inject('redisUrl')
  const upstash = await startUpstash({
    port: 0,
    token: 'token',
    readOnlyToken: 'read',
    store: redisUrl ? createRedisStore(redisUrl) : createMemoryStore(),
  })
  const store = createUpstash({ url: upstash.url, token: 'token', timeoutMs: 10_000 })
  const shared = createSharedTier(later(1))
  const isolates = [shared, shared, createSharedTier(later(1))].map((dataCentre) =>
    createIsolate({ database, store, dataCentre, lives: liveLives, clock: Date.now, random: Math.random }),
  )
  return { upstash, store, isolates }
}

const liveLives = { ...lives, freshMs: 20 }
/** Up to so many milliseconds, evenly. */
const later =
  (maxMs: number): Pause =>
  () =>
    new Promise((resolve) => setTimeout(resolve, Math.random() * maxMs))

test('over real HTTP no race of fills against writes leaves anything stale', { timeout: 1_200_000 }, async () => {
  const startedAt = performance.now()
  const database = createDatabase({ clock: Date.now, pause: later(6) })
  const { upstash, store, isolates } = await openLive(database)
  const names = Array.from({ length: 100 }, () => `race:${randomUUID()}`)

  const race = async (key: string) => {
    const reads = isolates.map((isolate) => later(4)('read').then(() => isolate.read(key)))
    await later(4)('write')
    const version = database.write(key, `of ${Date.now()}`)
    const told = later(8)('told').then(() => store.raise([{ tag: key, version }]))
    const own = await isolates[version % isolates.length]?.read(key, { floor: version, since: 0 })
    expect(own?.entry.version).toBeGreaterThanOrEqual(version)
    await Promise.all([told, ...reads])
  }
  const run = async (key: string) => {
    for (let at = 0; at < races / names.length; at++) await race(key)
  }
  await Promise.all(names.map(run))
  for (const isolate of isolates) await isolate.idle()
  await new Promise((resolve) => setTimeout(resolve, liveLives.freshMs))

  let stale = 0
  for (const isolate of isolates)
    for (const key of names) if ((await isolate.read(key)).entry.version !== database.current(key).version) stale++
  const requests = upstash.requests()
  await upstash.close()
  expect(stale).toBe(0)
  const seconds = Math.round((performance.now() - startedAt) / 1_000)
  tell('stale-fill, races', { races, 'core reads': database.reads(), 'Upstash requests': requests, stale, seconds })
})
