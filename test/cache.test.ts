import { expect, test } from 'vitest'
import { createBreaker, Skipped } from '#edge/breaker.ts'
import { decodeEntry, encodeEntry } from '#edge/cache/entry.ts'
import { createMemoryTier } from '#edge/cache/memory-tier.ts'
import { createFlights } from '#edge/flights.ts'
import type { VersionedStore } from '#infra/upstash.ts'
import { createDatabase, createIsolate, createSharedTier, type Pause } from './cache-model.ts'

const lives = { freshMs: 2_000, staleMs: 300_000, hardMs: 3_600_000 }

/** A database, Upstash and two isolates of one data centre, on a clock that is moved by hand. */
const createScene = ({
  keysMax = 1_000_000,
  pause = async () => {},
}: {
  readonly keysMax?: number
  readonly pause?: Pause
} = {}) => {
  let nowMs = 1_000_000
  let random = 0
  const clock = () => nowMs
  const database = createDatabase({ clock, pause })
  const entries = new Map<string, string>()
  const versions = new Map<string, number>()
  const faults = { store: false, core: false }
  const calls = { lookUps: 0, fills: 0 }
  const raise = (tag: string, version: number) => versions.set(tag, Math.max(versions.get(tag) ?? 0, version))
  const store: VersionedStore = {
    lookUp: async (key, tag) => {
      calls.lookUps++
      if (faults.store) throw new Error('Upstash is gone')
      return { entry: entries.get(key) ?? null, version: versions.get(tag) ?? null }
    },
    fill: async (key, { tag, version }, { text }) => {
      calls.fills++
      entries.set(key, text)
      raise(tag, version)
      return { keys: entries.size + versions.size }
    },
    raise: async (tags) => {
      for (const { tag, version } of tags) raise(tag, version)
    },
    ping: async () => {},
  }
  const dataCentre = createSharedTier(pause)
  const core = {
    ...database,
    read: async (...asked: Parameters<typeof database.read>) => {
      if (faults.core) throw new Error('the core is gone')
      return database.read(...asked)
    },
  }
  const isolate = () =>
    createIsolate({ database: core, store, dataCentre, lives, keysMax, clock, random: () => random })
  return {
    database,
    store,
    versions,
    entries,
    faults,
    calls,
    isolate,
    pass: (ms: number) => {
      nowMs += ms
    },
    draw: (next: number) => {
      random = next
    },
  }
}

/** A scene in which an isolate has read `a`, and every tier holds it. */
const createWarmScene = async () => {
  const scene = createScene()
  const version = scene.database.write('a', 'first')
  const isolate = scene.isolate()
  await isolate.read('a')
  await isolate.idle()
  return { scene, isolate, version }
}

test('an answer moves to every nearer tier, and is as old there as it was where it came from', async () => {
  const scene = createScene()
  scene.database.write('a', 'first')
  const [one, two] = [scene.isolate(), scene.isolate()]
  expect(await one.read('a')).toMatchObject({ source: 'core', forwarded: 'miss' })
  await one.idle()
  scene.pass(1_500)
  expect(await two.read('a')).toMatchObject({ source: 'data-centre', entry: { storedAt: 1_000_000 } })
  expect((await two.read('a')).source).toBe('memory')
  // Both were checked when the first one asked: what is copied at the end of its freshness is not fresh anew.
  scene.pass(500)
  expect(await two.read('a')).toMatchObject({ source: 'upstash', entry: { storedAt: 1_000_000 } })
  expect(scene.database.reads()).toBe(1)
})

test('an entry that another isolate has checked meanwhile is taken from the data centre, without a question to Upstash', async () => {
  const scene = createScene()
  scene.database.write('a', 'first')
  const [one, two] = [scene.isolate(), scene.isolate()]
  await one.read('a')
  await one.idle()
  await two.read('a')
  scene.pass(2_000)
  expect((await one.read('a')).source).toBe('upstash')
  await one.idle()
  const { lookUps } = scene.calls
  expect((await two.read('a')).source).toBe('data-centre')
  expect(scene.calls.lookUps).toBe(lookUps)
})

test('near the end of freshness one of many readers has it checked behind the answer', async () => {
  const { scene, isolate } = await createWarmScene()
  scene.pass(1_999)
  await isolate.read('a')
  await isolate.idle()
  expect(scene.calls.lookUps).toBe(1)
  scene.draw(0.9)
  expect((await isolate.read('a')).source).toBe('memory')
  await isolate.idle()
  expect(scene.calls.lookUps).toBe(2)
  scene.draw(0)
  scene.pass(1_999)
  expect((await isolate.read('a')).source).toBe('memory')
})

test('in the second half of its life an entry is refreshed behind the answer, and after it the core is waited for', async () => {
  const { scene, isolate } = await createWarmScene()
  scene.pass(149_000)
  expect((await isolate.read('a')).source).toBe('upstash')
  await isolate.idle()
  expect(scene.database.reads()).toBe(1)
  scene.pass(2_000)
  expect(await isolate.read('a')).toMatchObject({ source: 'upstash', entry: { storedAt: 1_000_000 } })
  await isolate.idle()
  expect(scene.database.reads()).toBe(2)
  scene.pass(300_000)
  expect(await isolate.read('a')).toMatchObject({ source: 'core', forwarded: 'stale' })
})

test('a change of which no version was ever told shows once the entry is past staleMs', async () => {
  const { scene, isolate } = await createWarmScene()
  scene.pass(1_000)
  scene.database.write('a', 'second')
  scene.pass(100_000)
  expect((await isolate.read('a')).entry.body).toBe('first')
  scene.pass(lives.staleMs - 101_000)
  expect((await isolate.read('a')).entry.body).toBe('second')
})

test('with the core gone an entry is served to the end of hardMs, and not a moment longer', async () => {
  const { scene, isolate } = await createWarmScene()
  scene.faults.core = true
  scene.pass(lives.hardMs - 1)
  expect(await isolate.read('a')).toMatchObject({ source: 'last', forwarded: 'stale' })
  scene.pass(1)
  await expect(isolate.read('a')).rejects.toThrow('the core is gone')
})

test('with the core gone nothing is served that is known to be superseded', async () => {
  const { scene, isolate, version: first } = await createWarmScene()
  scene.faults.core = true
  await scene.store.raise([{ tag: 'a', version: first + 1 }])
  scene.pass(2_000)
  await expect(isolate.read('a')).rejects.toThrow('the core is gone')
})

test('an entry whose version was lost is a miss, and its fill tells the version again', async () => {
  const { scene, isolate, version } = await createWarmScene()
  scene.versions.delete('a')
  scene.pass(2_000)
  expect(await isolate.read('a')).toMatchObject({ source: 'core', forwarded: 'stale' })
  await isolate.idle()
  expect(scene.versions.get('a')).toBe(version)
})

test('what never was is remembered near by, and takes no room in Upstash', async () => {
  const scene = createScene()
  const isolate = scene.isolate()
  for (const key of ['a', 'b', 'c']) expect((await isolate.read(key)).entry.status).toBe(404)
  await isolate.idle()
  expect((await isolate.read('a')).source).toBe('memory')
  expect([scene.entries.size, scene.versions.size]).toEqual([0, 0])
  scene.database.write('a', 'made')
  scene.pass(2_000)
  expect((await isolate.read('a')).entry.body).toBe('made')
})

test('what was deleted is remembered for ten seconds, and seen at once by whoever hears that it was made again', async () => {
  const scene = createScene()
  const isolate = scene.isolate()
  scene.database.write('a', undefined)
  expect((await isolate.read('a')).entry.status).toBe(404)
  await isolate.idle()
  scene.pass(2_000)
  expect(await isolate.read('a')).toMatchObject({ source: 'upstash', entry: { status: 404 } })
  await isolate.idle()
  scene.pass(8_000)
  expect((await isolate.read('a')).source).toBe('core')
  await isolate.idle()
  const version = scene.database.write('a', 'made')
  await scene.store.raise([{ tag: 'a', version }])
  scene.pass(2_000)
  expect((await isolate.read('a')).entry.body).toBe('made')

  scene.database.write('b', undefined)
  await isolate.read('b')
  await isolate.idle()
  scene.faults.core = true
  scene.pass(60_000)
  await expect(isolate.read('b')).rejects.toThrow('the core is gone')
})

test('what an isolate has heard to be superseded stays so for it when Upstash is gone too', async () => {
  const { scene, isolate, version: first } = await createWarmScene()
  scene.faults.core = true
  await scene.store.raise([{ tag: 'a', version: first + 1 }])
  scene.pass(2_000)
  await expect(isolate.read('a')).rejects.toThrow('the core is gone')
  scene.faults.store = true
  await expect(isolate.read('a')).rejects.toThrow('the core is gone')
})

test('what is known to be superseded is served to nobody, however fresh it is', async () => {
  const { scene, isolate, version: first } = await createWarmScene()
  expect((await isolate.read('a')).source).toBe('memory')
  scene.faults.core = true
  await scene.store.raise([{ tag: 'a', version: first + 1 }])
  await expect(isolate.read('a', { floor: first + 1, since: 0 })).rejects.toThrow('the core is gone')
  await expect(isolate.read('a')).rejects.toThrow('the core is gone')
})

test('an isolate that holds what a failover has lost does not serve it because another one is content with less', async () => {
  const scene = createScene()
  scene.database.write('a', 'first')
  scene.database.replicate()
  scene.pass(10)
  scene.database.write('a', 'lost')
  const [one, two] = [scene.isolate(), scene.isolate()]
  await one.read('a', { floor: 0, since: 1 })
  await one.idle()
  scene.database.failOver()
  scene.versions.clear()
  scene.entries.clear()
  scene.pass(2_000)
  await two.read('a')
  await two.idle()
  scene.pass(500)
  expect((await one.read('a')).entry.body).toBe('first')
})

test('what a failover has lost is not served on, and what is left is believed by no tier until it is newer', async () => {
  const scene = createScene()
  scene.database.write('a', 'first')
  scene.database.replicate()
  scene.pass(10)
  scene.database.write('a', 'lost')
  const isolate = scene.isolate()
  const since = 1
  await isolate.read('a', { floor: 0, since })
  await isolate.idle()
  scene.database.failOver()
  scene.versions.clear()
  scene.entries.clear()
  scene.pass(2_000)
  expect((await isolate.read('a')).entry.body).toBe('first')
  await isolate.idle()
  expect(scene.calls.fills).toBe(1)
  expect((await isolate.read('a')).source).toBe('core')
  scene.pass(10)
  scene.database.write('a', 'after')
  expect((await isolate.read('a')).entry.body).toBe('after')
  expect((await isolate.read('a')).source).toBe('memory')
})

test('of readers at once one asks, and those who want newer do not take what it brings', async () => {
  const scene = createScene()
  scene.database.write('a', 'first')
  scene.database.replicate()
  const version = scene.database.write('a', 'second')
  const isolate = scene.isolate()
  const found = await Promise.all([
    isolate.read('a'),
    isolate.read('a'),
    isolate.read('a', { floor: version, since: 0 }),
    isolate.read('a'),
  ])
  expect(found.map(({ entry }) => entry.body)).toEqual(['first', 'first', 'second', 'second'])
  expect(found.map(({ collapsed }) => collapsed)).toEqual([undefined, true, undefined, true])
  expect(scene.database.reads()).toBe(2)
})

test('a reader who wants nothing older than their write joins no question that began before it', async () => {
  const scene = createScene()
  scene.database.write('a', 'first')
  const isolate = scene.isolate()
  const running = isolate.read('a', { floor: 0, since: 1_002_000 })
  const version = scene.database.write('a', 'second')
  const own = await isolate.read('a', { floor: 0, since: 1_001_000 })
  expect(own).toMatchObject({ source: 'core', entry: { version } })
  expect(own.collapsed).toBeUndefined()
  await running
})

test('who asked first is answered with no less than another one was meanwhile, also when that is superseded by then', async () => {
  const held = () => ({ asked: Promise.withResolvers<void>(), answer: Promise.withResolvers<void>() })
  const [first, last] = [held(), held()]
  const scene = createScene({
    pause: async (label) => {
      const one = { 'core answers a at 1000000': first, 'core answers a at 1000002': last }[label]
      one?.asked.resolve()
      await one?.answer.promise
    },
  })
  const isolate = scene.isolate()
  scene.database.write('a', 'first')
  const slow = isolate.read('a')
  await first.asked.promise
  const version = scene.database.write('a', 'second')
  expect((await isolate.read('a', { floor: version, since: 0 })).entry.version).toBe(version)
  const newest = scene.database.write('a', 'third')
  await scene.store.raise([{ tag: 'a', version: newest }])
  const own = isolate.read('a', { floor: newest, since: 0 })
  await last.asked.promise
  first.answer.resolve()
  expect((await slow).entry.version).toBe(version)
  last.answer.resolve()
  expect((await own).entry.version).toBe(newest)
})

test('a question that began freshMs ago is joined by nobody: what Upstash told it is as old', async () => {
  const [asked, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const scene = createScene({
    pause: async (label) => {
      if (label !== 'core answers a at 1000000') return
      asked.resolve()
      await held.promise
    },
  })
  scene.database.write('a', 'first')
  const isolate = scene.isolate()
  const slow = isolate.read('a')
  await asked.promise
  const version = scene.database.write('a', 'second')
  await scene.store.raise([{ tag: 'a', version }])
  scene.pass(1_999)
  const joined = isolate.read('a')
  scene.pass(1)
  const anew = isolate.read('a')
  held.resolve()
  expect(await anew).toMatchObject({ source: 'core', entry: { version } })
  expect((await anew).collapsed).toBeUndefined()
  await slow
  expect((await joined).collapsed).toBe(true)
})

test('a store that is four fifths full gets no entries for ten seconds, and then one that looks', async () => {
  const scene = createScene({ keysMax: 10 })
  const isolate = scene.isolate()
  const read = async (key: string) => {
    scene.database.write(key, 'x')
    await isolate.read(key)
    await isolate.idle()
  }
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) await read(key)
  expect([scene.entries.size, scene.versions.size]).toEqual([5, 5])
  scene.pass(10_000)
  await read('h')
  await read('i')
  expect(scene.entries.size).toBe(6)
})

test('Upstash that fails on end is asked once a second, and says in each answer that it was passed over', async () => {
  const scene = createScene()
  scene.faults.store = true
  const isolate = scene.isolate()
  const outcomes: (string | undefined)[] = []
  for (let at = 0; at < 12; at++) {
    scene.database.write(`k${at}`, 'x')
    const { steps } = await isolate.read(`k${at}`)
    outcomes.push(steps.find(({ tier }) => tier === 'upstash')?.outcome)
    await isolate.idle()
    if (at >= 7) scene.pass(500)
  }
  expect(outcomes).toEqual([
    ...Array(5).fill('failed'),
    ...['skipped', 'skipped', 'skipped', 'skipped', 'failed', 'skipped', 'failed'],
  ])
  scene.faults.store = false
  scene.pass(1_000)
  scene.database.write('last', 'x')
  expect((await isolate.read('last')).steps.map(({ outcome }) => outcome)).toContain('hit')
})

test('an early check that Upstash does not answer costs the core nothing', async () => {
  const { scene, isolate } = await createWarmScene()
  scene.faults.store = true
  scene.draw(0.9)
  scene.pass(1_999)
  expect((await isolate.read('a')).source).toBe('memory')
  await isolate.idle()
  expect([scene.calls.lookUps, scene.database.reads()]).toEqual([2, 1])
})

test('a load that never ends is joined no more by those who come after the first one who waited in vain', async () => {
  const flights = createFlights<string>({ maxMs: 20, onLate: () => new Error('late'), clock: Date.now })
  const share = (load: () => Promise<string>) =>
    flights.share('a', { demand: { floor: 0, since: 0 }, load, keepAlive: () => {} })
  share(() => new Promise(() => {}))
  const joined = share(async () => 'not asked')
  expect(joined.joined).toBe(true)
  await expect(joined.result).rejects.toThrow('late')
  const next = share(async () => 'asked anew')
  expect(next.joined).toBe(false)
  expect(await next.result).toBe('asked anew')
})

test('a breaker that lets one try through is whole again when that succeeds', async () => {
  let nowMs = 0
  const breaker = createBreaker(() => nowMs)
  const fail = () => breaker.run(() => Promise.reject(new Error('gone')))
  for (let at = 0; at < 5; at++) await expect(fail()).rejects.toThrow('gone')
  await expect(fail()).rejects.toBeInstanceOf(Skipped)
  nowMs += 1_000
  const tries = await Promise.allSettled([fail(), fail(), fail()])
  expect(tries.map((tried) => tried.status === 'rejected' && tried.reason instanceof Skipped)).toEqual([
    false,
    true,
    true,
  ])
  nowMs += 1_000
  expect(await breaker.run(async () => 'there')).toBe('there')
  await expect(fail()).rejects.toThrow('gone')
})

test('an entry is stored as it is, and what is no entry is none', () => {
  const entry = {
    version: 1_790_000_000_000,
    storedAt: 1_790_000_000_123,
    checkedAt: 5,
    loadMs: 12,
    status: 200,
    contentType: 'application/json; charset=utf-8',
    body: '{"name":"Ada\\n\\u2028 ✨","n":1}\n\nrest',
    etag: '',
  } as const
  const decoded = decodeEntry(encodeEntry(entry), 5)
  expect(decoded).toEqual({ ...entry, etag: decoded?.etag })
  for (const text of ['', '{}', '1 2 3 200', '1 2 3 500 text/plain\nx', 'x'.repeat(1_000)])
    expect(decodeEntry(text, 0)).toBeUndefined()
})

test('memory gives up what was used longest ago, and never a newer entry for an older one', () => {
  const entry = (version: number, body = 'x') =>
    ({ version, storedAt: 0, checkedAt: version, loadMs: 0, status: 200, contentType: '', body, etag: '' }) as const
  const memory = createMemoryTier(10_000)
  memory.put('a', entry(5))
  expect(memory.put('a', entry(4)).version).toBe(5)
  expect(memory.put('a', entry(6)).version).toBe(6)
  for (let at = 0; at < 100; at++) {
    memory.put(`k${at}`, entry(1))
    memory.get('a')
    expect(memory.bytes()).toBeLessThanOrEqual(10_000)
  }
  expect(memory.get('a')?.version).toBe(6)
  expect(memory.get('k0')).toBeUndefined()
  memory.put('huge', entry(1, 'x'.repeat(20_000)))
  expect(memory.get('huge')).toBeUndefined()
  expect(memory.get('a')?.version).toBe(6)
})
