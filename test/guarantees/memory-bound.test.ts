import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { edgeHeaders } from '#contract/edge-request.ts'
import { newId } from '#contract/ids.ts'
import { decodeEntry, type Entry, encodeEntry, etagOf } from '#edge/cache/entry.ts'
import { createMemoryTier, type MemoryTier, memoryBytesMax } from '#edge/cache/memory-tier.ts'
import { freePort } from '#infra/local/ports.ts'
import { isDocument, passDocument, startStandIn } from '#test/extra-edge.ts'
import { createRandom, sized, tell } from '#test/guarantee.ts'
import { cell, startWorld, type World } from '#test/harness.ts'
import { heapBytesOf } from '#test/inspector.ts'
import { startIsolates } from '#test/isolates.ts'

const keys = sized({ short: 30_000, long: 1_000_000 })
const bytesMax = sized({ short: 8 * 1024 * 1024, long: memoryBytesMax })
/** How often, in a run, the heap is looked at: each time everything that is garbage is collected before. */
const looks = 20
/** Until so many were put the bound may not have been reached. */
const firstLook = 0.5
/** A million entries are made, and the heap collected now and then. */
const testMaxMs = sized({ short: 60_000, long: 300_000 })
const readMs = sized({ short: 5_000, long: 180_000 })
const readersAtOnce = 32
const lookEveryMs = 250
/**
 * The program, its keys and remembered tokens; with the tier far below the 128 MB that Cloudflare gives an isolate. Its heap
 * says so: of the process's memory most is garbage, which V8 lets lie as long as nobody sets it that limit.
 */
const restBytesMax = 24 * 1024 * 1024
/** As long as profiles with metadata are, so that the memory of an isolate is full after some thousand. */
const bodyCharactersMax = 4_000
const megabyte = 1024 * 1024
const random = createRandom()

let world: World
beforeAll(async () => {
  world = await startWorld({ bus: 'direct' })
})
afterAll(() => world?.stop())

/** Letters of one byte and of two: V8 keeps a text with a single one of the latter at two bytes a character. */
const alphabets = { 'Latin letters': 'abcdefghijklmnop', 'letters of two bytes': 'абвгдежзийклмноп' }

const bodyOf = (length: number, alphabet: string): string => {
  const name = Array.from({ length: 16 }, () => alphabet[Math.floor(random() * alphabet.length)]).join('')
  return JSON.stringify({ displayName: name, metadata: { text: name.repeat(Math.ceil(length / 16)) } })
}

/** Each context would cost a megabyte itself. */
setFlagsFromString('--expose-gc')
// The only way to it in a process that was started without the flag.
const gc: () => void = runInNewContext('gc')

/** Entries are texts and numbers, which lie in the heap; the first collection leaves what it has only just let go. */
const heapBytes = () => {
  gc()
  gc()
  return process.memoryUsage().heapUsed
}

/** An entry as a far tier gives it: texts that were cut out of what came over the wire. */
const entryOf = (body: string): Entry => {
  const now = Date.now()
  const status = body === '' ? 404 : 200
  const head = { version: now, storedAt: now, checkedAt: now, loadMs: 5, contentType: 'application/json' } as const
  const text = encodeEntry({ ...head, status, body, etag: etagOf(now, body) })
  // Joined texts are trees in V8 until they are read as bytes, as whatever arrives was.
  return decodeEntry(Buffer.from(text).toString(), now) ?? expect.fail('an entry that was encoded can be decoded')
}

const kinds: readonly (readonly [name: string, body: () => string])[] = [
  ['absences', () => ''],
  ...Object.entries(alphabets).flatMap(([name, alphabet]) => [
    [`short ones of ${name}`, () => bodyOf(100, alphabet)] as const,
    [`long and short ones of ${name}`, () => bodyOf(random() * bodyCharactersMax, alphabet)] as const,
  ]),
]

/** Puts ever new entries into a tier. Answers with the most that it has counted and that the heap has held. */
const fill = (tier: MemoryTier, body: () => string) => {
  const most = { counted: 0, heap: 0 }
  for (let put = 1; put <= keys; put++) {
    tier.put(`e2:/v1/players/${newId('player', cell, put)}`, entryOf(body()))
    most.counted = Math.max(most.counted, tier.bytes())
    if (put % Math.floor(keys / looks) === 0 && put >= keys * firstLook) most.heap = Math.max(most.heap, heapBytes())
  }
  return most
}

test.each(kinds)(
  'the memory tier holds no more than its bound of %s, by its own count and in the heap',
  (name, body) => {
    const before = heapBytes()
    const most = fill(createMemoryTier(bytesMax), body)
    // What an earlier test has left behind may have gone only now.
    const heap = most.heap - Math.min(before, heapBytes())
    tell(`memory-bound, ${name}`, {
      keys,
      'bound MB': (bytesMax / megabyte).toFixed(1),
      'counted at most MB': (most.counted / megabyte).toFixed(1),
      'heap at most MB': (heap / megabyte).toFixed(1),
    })
    expect(most.counted).toBeLessThanOrEqual(bytesMax)
    expect(most.counted, 'it is used').toBeGreaterThan(bytesMax / 2)
    expect(heap).toBeLessThanOrEqual(bytesMax)
  },
  testMaxMs,
)

test(
  'an isolate that is asked for ever other things stays within what Cloudflare gives it',
  async () => {
    const bodies = Array.from({ length: 100 }, () => bodyOf(bodyCharactersMax, alphabets['letters of two bytes']))
    const core = await startStandIn((request, response) => {
      if (isDocument(request)) return void passDocument(world, request, response)
      const headers = {
        'content-type': 'application/json',
        [edgeHeaders.version]: '1',
        [edgeHeaders.readAt]: String(Date.now()),
      }
      response.writeHead(200, headers).end(bodies[Math.floor(random() * bodies.length)])
    })
    onTestFinished(() => core.stop())
    // The other tiers would only hold the same again, on this machine and in this process.
    const nowhere = `http://127.0.0.1:${await freePort()}`
    const inspector = `127.0.0.1:${await freePort()}`
    const apart = { cache: false, coreUrl: core.url, upstashUrl: nowhere }
    const centre = await startIsolates(world, { isolates: 1, ...apart, inspector })
    onTestFinished(() => centre.stop())
    const { accessToken } = await world.signIn()
    const headers = { authorization: `Bearer ${accessToken}` }

    const endsAt = performance.now() + readMs
    let read = 0
    const reader = async () => {
      while (performance.now() < endsAt) {
        const response = await fetch(`${centre.urls[0]}/v1/players/${newId('player', cell, read)}`, { headers })
        await response.text()
        // A core that is in this process may be late.
        if (response.status === 200) read++
        else expect(response.status).toBe(503)
      }
    }
    const rss = [rssOf(centre.pid)]
    const timer = setInterval(() => rss.push(rssOf(centre.pid)), lookEveryMs)
    await Promise.all(Array.from({ length: readersAtOnce }, reader))
    const wake = () => fetch(`${centre.urls[0]}/.well-known/jwks.json`).then((response) => response.text())
    const heap = await heapBytesOf({ inspector, target: 'isolate-0' }, wake)
    clearInterval(timer)
    tell('memory-bound, an isolate', {
      'keys read': read,
      'RSS of workerd at first MB': ((rss[0] ?? 0) / megabyte).toFixed(0),
      'at most MB': (Math.max(...rss) / megabyte).toFixed(0),
      'in the end MB': (rssOf(centre.pid) / megabyte).toFixed(0),
      'heap and buffers in the end MB': (heap / megabyte).toFixed(1),
    })
    expect(read).toBeGreaterThan(readersAtOnce)
    expect(heap).toBeLessThanOrEqual(memoryBytesMax + restBytesMax)
  },
  readMs + 60_000,
)

/** Bytes that a process has in memory, programs and libraries included. */
const rssOf = (pid: number): number =>
  1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN)
