import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from '@upstash/redis/cloudflare'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '#infra/local/ports.ts'
import { findRedis, type LocalRedis, startRedis } from '#infra/local/redis.ts'
import { startUpstash, type Upstash } from '#infra/local/upstash.ts'
import { createMemoryStore } from '#infra/local/upstash-memory-store.ts'
import { createRedisStore } from '#infra/local/upstash-redis-store.ts'
import type { Store } from '#infra/local/upstash-store.ts'

const token = 'full-token'
const readOnlyToken = 'read-only-token'

type Answer = { readonly status: number; readonly body: unknown; readonly syncToken: string | null }

/** Stores to test: how each is made, and how time is moved on for it. */
type Case = {
  readonly name: string
  readonly open: () => Promise<Store>
  readonly pass: (ms: number) => Promise<void>
  readonly shut: () => Promise<void>
}

const memoryCase = (): Case => {
  let nowMs = 1_800_000_000_000
  return {
    name: 'memory',
    open: async () => createMemoryStore({ now: () => nowMs }),
    pass: async (ms) => {
      nowMs += ms
    },
    shut: async () => {},
  }
}

/** Redis has a clock of its own that nobody can hold: its keys' times are short, and really waited for. */
const redisCase = (binary: string): Case => {
  let redis: LocalRedis | undefined
  let folder: string | undefined
  return {
    name: 'Redis',
    open: async () => {
      folder = await mkdtemp(join(tmpdir(), 'perigee-upstash-'))
      redis = await startRedis({ binary, port: await freePort(), folder, logFile: join(folder, 'redis.log') })
      return createRedisStore(redis.url)
    },
    pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms + 20)),
    shut: async () => {
      await redis?.stop()
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
    },
  }
}

const binary = findRedis()
if (binary === undefined) console.log('No Redis on PATH: the Upstash stand-in is tested over memory only.')
const cases = binary === undefined ? [memoryCase()] : [memoryCase(), redisCase(binary)]

describe.each(cases)('the Upstash stand-in over $name', ({ name, open, pass, shut }) => {
  let upstash: Upstash
  let random = 0.5

  beforeAll(async () => {
    upstash = await startUpstash({ port: 0, token, readOnlyToken, store: await open(), random: () => random })
  })
  afterAll(async () => {
    await upstash.close()
    await shut()
  })
  beforeEach(async () => {
    random = 0.5
    Object.assign(upstash.faults, { down: false, latencyMs: 0, errorRate: 0, dropRate: 0 })
    await client().flushdb()
  })

  const client = (options: { readonly token?: string; readonly base64?: boolean } = {}) =>
    new Redis({
      url: upstash.url,
      token: options.token ?? token,
      retry: { retries: 0 },
      enableAutoPipelining: false,
      automaticDeserialization: false,
      ...(options.base64 === false ? { responseEncoding: false } : {}),
    })

  const send = async (path: string, init: RequestInit = {}): Promise<Answer> => {
    const headers = { authorization: `Bearer ${token}`, ...init.headers }
    const response = await fetch(upstash.url + path, { ...init, headers })
    return {
      status: response.status,
      body: await response.json(),
      syncToken: response.headers.get('upstash-sync-token'),
    }
  }
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    send(path, { method: 'POST', headers, body: JSON.stringify(body) })
  const run = async (...command: readonly (string | number)[]): Promise<unknown> => {
    const { body } = await post('/', command)
    return body !== null && typeof body === 'object' && 'result' in body ? body.result : body
  }

  describe.each([{ base64: true }, { base64: false }])('through the official client, base64: $base64', (encoding) => {
    it('keeps text as it was, beyond ASCII and where it looks like OK', async () => {
      const redis = client(encoding)
      expect(await redis.set('a', 'Ω "quoted" 🛰')).toBe('OK')
      expect(await redis.get('a')).toBe('Ω "quoted" 🛰')
      await redis.set('b', 'OK')
      expect(await redis.mget('a', 'b', 'absent')).toEqual(['Ω "quoted" 🛰', 'OK', null])
      expect(await redis.get('b')).toBe('OK')
      expect(await redis.get('absent')).toBeNull()
    })

    it('answers every command that Perigee sends', async () => {
      const redis = client(encoding)
      expect(await redis.ping()).toBe('PONG')
      expect(await redis.incr('n')).toBe(1)
      expect(await redis.incrby('n', 41)).toBe(42)
      expect(await redis.hset('h', { one: '1', two: '2' })).toBe(2)
      expect(await redis.hget('h', 'one')).toBe('1')
      // The client makes an object of it only where it parses values too.
      expect(await redis.hgetall('h')).toEqual(['one', '1', 'two', '2'])
      expect(await redis.exists('n', 'h', 'absent')).toBe(2)
      expect(await redis.dbsize()).toBe(2)
      expect(await redis.del('n', 'absent')).toBe(1)
      expect(await redis.zadd('z', { score: 2, member: 'b' }, { score: 1, member: 'a' })).toBe(2)
      expect(Number(await redis.zscore('z', 'b'))).toBe(2)
      expect(await redis.zscore('z', 'absent')).toBeNull()
      expect(await redis.zrange('z', 0, -1)).toEqual(['a', 'b'])
      expect(await redis.flushall()).toBe('OK')
      expect(await redis.dbsize()).toBe(0)
    })

    it('a pipeline is one request, and its answers come in order', async () => {
      const redis = client(encoding)
      const before = { requests: upstash.requests(), commands: upstash.commands() }
      const answers = await redis.pipeline().set('p', 'value').get('p').zscore('absent', 'm').incr('n').exec()
      expect(answers).toEqual(['OK', 'value', null, 1])
      expect(upstash.requests() - before.requests).toBe(1)
      expect(upstash.commands() - before.commands).toBe(4)
    })

    it('one failing command of a pipeline or a transaction stops no other', async () => {
      const redis = client(encoding)
      await redis.set('text', 'x')
      for (const batch of [redis.pipeline(), redis.multi()]) {
        const answers = await batch.zscore('text', 'm').get('text').exec({ keepErrors: true })
        expect(answers[0]?.error).toMatch(/^WRONGTYPE/)
        expect(answers[1]).toMatchObject({ result: 'x' })
      }
    })

    it('the read-only token reads, and is refused a write', async () => {
      const reader = client({ ...encoding, token: readOnlyToken })
      await client().set('a', '1')
      expect(await reader.get('a')).toBe('1')
      await expect(reader.set('a', '2')).rejects.toThrow(/NOPERM/)
      await expect(reader.pipeline().get('a').del('a').exec()).rejects.toThrow(/NOPERM/)
      expect(await reader.get('a')).toBe('1')
    })

    it('an unknown command is an error that names it', async () => {
      await expect(client(encoding).exec(['PERIGEE', 'x'])).rejects.toThrow(/unknown command.*PERIGEE/i)
    })
  })

  it('ZADD GT is a maximum, LT a minimum, NX keeps, XX adds nothing, CH counts changes', async () => {
    expect(await run('ZADD', 'v', 'GT', 5, 'm')).toBe(1)
    for (const late of [3, 4, 5]) expect(await run('ZADD', 'v', 'GT', 'CH', late, 'm')).toBe(0)
    expect(await run('ZSCORE', 'v', 'm')).toBe('5')
    expect(await run('ZADD', 'v', 'GT', 'CH', 9_007_199_254_740_991, 'm')).toBe(1)
    expect(await run('ZSCORE', 'v', 'm')).toBe('9007199254740991')
    expect(await run('ZADD', 'v', 'LT', 'CH', 2, 'm', 7, 'other')).toBe(2)
    expect(await run('ZADD', 'v', 'NX', 'CH', 1, 'm')).toBe(0)
    expect(await run('ZADD', 'v', 'XX', 8, 'stranger')).toBe(0)
    expect(await run('ZRANGE', 'v', 0, -1, 'WITHSCORES')).toEqual(['m', '2', 'other', '7'])
    expect(await run('ZRANGE', 'v', 0, 0, 'REV')).toEqual(['other'])
    expect(await run('ZRANGE', 'v', -9, -2)).toEqual(['m'])
    expect(await run('ZRANGE', 'v', 0, -9)).toEqual([])
    expect(await run('ZADD', 'empty', 'XX', 8, 'm')).toBe(0)
    expect(await run('EXISTS', 'empty')).toBe(0)
  })

  it('a key is gone when its time has come, and a plain write takes the time away', async () => {
    expect(await run('SET', 'short', 'x', 'PX', 80)).toBe('OK')
    expect(await run('SET', 'kept', 'x', 'PX', 80)).toBe('OK')
    expect(await run('PTTL', 'short')).toBeGreaterThan(0)
    expect(await run('INCRBY', 'counter', 1)).toBe(1)
    expect(await run('PEXPIRE', 'counter', 80)).toBe(1)
    expect(await run('INCR', 'counter')).toBe(2)
    expect(await run('SET', 'kept', 'y')).toBe('OK')
    await pass(80)
    expect(await run('MGET', 'short', 'kept', 'counter')).toEqual([null, 'y', null])
    expect(await run('PTTL', 'short')).toBe(-2)
    expect(await run('TTL', 'kept')).toBe(-1)
    expect(await run('EXPIRE', 'kept', 100)).toBe(1)
    expect(await run('TTL', 'kept')).toBe(100)
    expect(await run('PEXPIRE', 'absent', 100)).toBe(0)
    expect(await run('SET', 'past', 'x', 'PXAT', 1_000)).toBe('OK')
    expect(await run('GET', 'past')).toBeNull()
    expect(await run('DBSIZE')).toBe(1)
  })

  it('SET NX writes only what is absent, XX only what is there', async () => {
    expect(await run('SET', 'a', '1', 'XX')).toBeNull()
    expect(await run('SET', 'a', '1', 'NX', 'EX', 100)).toBe('OK')
    expect(await run('SET', 'a', '2', 'NX')).toBeNull()
    expect(await run('SET', 'a', '3', 'XX')).toBe('OK')
    expect(await run('GET', 'a')).toBe('3')
  })

  it('a refused command says why, with 400', async () => {
    await run('SET', 'text', 'x')
    for (const [command, reason] of [
      [['ZADD', 'text', 1, 'm'], /^WRONGTYPE/],
      [['INCR', 'text'], /not an integer/],
      [['GET'], /wrong number of arguments/],
      [['SET', 'a', 'b', 'WRONG'], /syntax error/],
      [['SET', 'a', 'b', 'PX', 0], /invalid expire time/],
      [['ZADD', 'z', 'much', 'm'], /not a valid float/],
      [['SUBSCRIBE', 'c'], /unknown command/],
    ] as const) {
      const { status, body } = await post('/', command)
      expect({ command, status }).toEqual({ command, status: 400 })
      expect((body as { error: string }).error).toMatch(reason)
    }
  })

  it('a transaction with a command that cannot be understood does nothing', async () => {
    const { status, body } = await post('/multi-exec', [['SET', 'a', '1'], ['PERIGEE']])
    expect(status).toBe(400)
    expect((body as { error: string }).error).toMatch(/^EXECABORT/)
    expect(await run('EXISTS', 'a')).toBe(0)
    expect(
      (
        await post('/multi-exec', [
          ['SET', 'a', '1'],
          ['GET', 'a'],
        ])
      ).body,
    ).toEqual([{ result: 'OK' }, { result: '1' }])
  })

  it('takes a command as a path, with the body and then the query as further arguments', async () => {
    expect((await send('/set/a%2Fb/value')).body).toEqual({ result: 'OK' })
    expect((await send('/get/a%2Fb')).body).toEqual({ result: 'value' })
    expect((await send('/set/c?EX=100', { method: 'POST', body: 'from the body' })).body).toEqual({ result: 'OK' })
    expect((await send('/get/c', { headers: { 'upstash-encoding': 'base64' } })).body).toEqual({
      result: Buffer.from('from the body').toString('base64'),
    })
    expect(await run('TTL', 'c')).toBe(100)
  })

  it('refuses everything without a known token', async () => {
    for (const path of ['/', '/pipeline', '/multi-exec', '/get/a'])
      for (const authorization of ['', 'Bearer wrong', token])
        expect(await post(path, ['GET', 'a'], { authorization })).toMatchObject({
          status: 401,
          body: { error: 'Unauthorized' },
        })
  })

  it('refuses what is not a command, and what is above a bound', async () => {
    for (const init of [
      { path: '/', body: '{' },
      { path: '/', body: '{}' },
      { path: '/', body: '[]' },
      { path: '/pipeline', body: '[]' },
      { path: '/pipeline', body: '["GET","a"]' },
      { path: '/pipeline', body: JSON.stringify(Array.from({ length: 1_001 }, () => ['PING'])) },
      { path: '/', body: JSON.stringify(['SET', 'a', 'x'.repeat(1024 * 1024)]) },
    ]) {
      const { status, body } = await send(init.path, { method: 'POST', body: init.body })
      expect({ body: init.body.slice(0, 30), status }).toEqual({ body: init.body.slice(0, 30), status: 400 })
      expect(body).toHaveProperty('error')
    }
  })

  it('the sync token moves on with a write, stays with a read, and never goes back', async () => {
    const first = await post('/', ['SET', 'a', '1'])
    const read = await post('/', ['GET', 'a'], { 'upstash-sync-token': first.syncToken ?? '' })
    expect(read.syncToken).toBe(first.syncToken)
    const second = await post('/', ['SET', 'a', '2'], { 'upstash-sync-token': first.syncToken ?? '' })
    expect(second.syncToken).not.toBe(first.syncToken)
    expect((await post('/', ['GET', 'a'], { 'upstash-sync-token': '999999999' })).syncToken).toBe('999999999')
  })

  it('faults: an error does nothing, a drop takes effect, down takes no connection, latency is waited for', async () => {
    random = 0
    upstash.faults.errorRate = 1
    await expect(client().set('a', '1')).rejects.toThrow(/injected/)
    Object.assign(upstash.faults, { errorRate: 0, dropRate: 1 })
    await expect(client().set('b', '1')).rejects.toThrow()
    upstash.faults.dropRate = 0
    expect(await run('EXISTS', 'a')).toBe(0)
    expect(await run('EXISTS', 'b')).toBe(1)
    upstash.faults.down = true
    await expect(client().get('b')).rejects.toThrow()
    upstash.faults.down = false
    upstash.faults.latencyMs = 30
    const startedMs = performance.now()
    expect(await client().get('b')).toBe('1')
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(25)
  })

  it('runs a script whose first line holds a flag that only Upstash knows, or says that it runs none', async () => {
    const body = "return redis.call('SET', KEYS[1], ARGV[1])"
    if (name !== 'Redis') return expect(await run('EVAL', body, 1, 'k', 'x')).toHaveProperty('error')
    for (const line of ['#!lua flags=allow-key-locking', '#!lua flags=allow-key-locking,allow-stale', '#!lua'])
      expect(await run('EVAL', `${line}\n${body}`, 1, 'k', line)).toBe('OK')
    expect(await run('GET', 'k')).toBe('#!lua')
    expect(await run('EVAL', `#!lua flags=no-writes,allow-key-locking\n${body}`, 1, 'k', 'x')).toHaveProperty('error')
  })
})
