import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { startUpstash, type Upstash } from '#infra/local/upstash.ts'
import { createMemoryStore } from '#infra/local/upstash-memory-store.ts'
import { createRedisStore } from '#infra/local/upstash-redis-store.ts'
import { createUpstash, type LastingTexts, type VersionedStore } from '#infra/upstash.ts'

let upstash: Upstash
let store: VersionedStore & LastingTexts
beforeAll(async () => {
  const redisUrl = inject('redisUrl')
  upstash = await startUpstash({
    port: 0,
    token: 'token',
    readOnlyToken: 'read',
    store: redisUrl ? createRedisStore(redisUrl) : createMemoryStore(),
  })
  store = createUpstash({ url: upstash.url, token: 'token', timeoutMs: 5_000 })
})
afterAll(() => upstash?.close())

test('a version only grows, in whatever order and however often it is told', async () => {
  const tag = `player:${randomUUID()}`
  for (const version of [5, 9, 7, 9, 1]) await store.raise([{ tag, version }])
  expect(await store.lookUp('nothing', tag)).toEqual({ entry: null, version: 9 })
})

test('a fill that was overtaken by a write leaves the higher version standing', async () => {
  const tag = `player:${randomUUID()}`
  await store.raise([{ tag, version: 20 }])
  await store.fill(`e:${tag}`, { tag, version: 10 }, { text: 'old', lifeMs: 60_000 })
  expect(await store.lookUp(`e:${tag}`, tag)).toEqual({ entry: 'old', version: 20 })
})

test('what nobody told of has neither entry nor version', async () => {
  expect(await store.lookUp(randomUUID(), randomUUID())).toEqual({ entry: null, version: null })
})

test('a look-up, a fill and a raise of many tags are one request each', async () => {
  const tag = randomUUID()
  const requestsOf = async (work: Promise<unknown>) => {
    const before = upstash.requests()
    await work
    return upstash.requests() - before
  }
  expect(await requestsOf(store.lookUp('key', tag))).toBe(1)
  expect(await requestsOf(store.fill('key', { tag, version: 1 }, { text: 'x', lifeMs: 1_000 }))).toBe(1)
  expect(
    await requestsOf(store.raise(Array.from({ length: 50 }, (_, at) => ({ tag: `${tag}${at}`, version: at })))),
  ).toBe(1)
  expect(await requestsOf(store.raise([]))).toBe(0)
})

test('a fill tells how many keys there are, and rejects when there is no room for more', async () => {
  const tag = randomUUID()
  const fill = (key: string) => store.fill(key, { tag, version: 1 }, { text: 'x', lifeMs: 60_000 })
  // Other tests fill the same Redis.
  expect((await fill(`e:${tag}`)).keys).toBeGreaterThanOrEqual(2)
  upstash.faults.full = true
  await expect(fill(`other:${tag}`)).rejects.toThrow(/capacity quota exceeded/)
  upstash.faults.full = false
  expect(await store.lookUp(`other:${tag}`, tag)).toEqual({ entry: null, version: 1 })
})

test('a text is recalled as it was kept last, until its life is over, and what nobody kept is not there', async () => {
  const key = `document:${randomUUID()}`
  expect(await store.recall(key)).toBe(null)
  for (const text of ['first', '{"what": "Ω 🛰 \\n"}', '7', 'OK']) {
    await store.keep(key, { text, lifeMs: 60_000 })
    expect(await store.recall(key)).toBe(text)
  }
  await store.keep(key, { text: 'short', lifeMs: 1 })
  await expect.poll(() => store.recall(key)).toBe(null)
})

test('to keep and to recall are one request each, and both reject where the store does not answer', async () => {
  const key = `document:${randomUUID()}`
  const before = upstash.requests()
  await store.keep(key, { text: 'x'.repeat(1_000_000), lifeMs: 60_000 })
  expect(await store.recall(key)).toHaveLength(1_000_000)
  expect(upstash.requests() - before).toBe(2)
  upstash.faults.full = true
  await expect(store.keep(key, { text: 'y', lifeMs: 60_000 })).rejects.toThrow(/capacity quota exceeded/)
  upstash.faults.full = false
})
