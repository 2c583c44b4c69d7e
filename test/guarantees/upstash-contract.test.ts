import type { Redis } from '@upstash/redis/cloudflare'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from 'vitest'
import { startUpstash, type Upstash } from '#infra/local/upstash.ts'
import { createFaults } from '#infra/local/upstash-faults.ts'
import { createMemoryStore } from '#infra/local/upstash-memory-store.ts'
import type { Outcome, Outcomes, Store } from '#infra/local/upstash-store.ts'
import { createUpstash } from '#infra/upstash.ts'
import { batches, commandNames } from '#test/fixtures/upstash-commands.ts'
import {
  type ClientOptions,
  cases,
  clientOf,
  readOnlyToken,
  stopRedis,
  token,
  withUpstash,
} from '#test/fixtures/upstash-stand-ins.ts'
import { type Exchange, exchanges } from '#test/fixtures/upstash-wire.ts'
import { fulfils } from '#test/fulfils.ts'
import { createRandom, seed, sized, tell } from '#test/guarantee.ts'

type Answer = { readonly status: number; readonly body: unknown }

afterAll(stopRedis)

describe.each(cases)('the Upstash stand-in over $name', ({ name, open, pass }) => {
  let upstash: Upstash
  let random = 0.5

  beforeAll(async () => {
    const { store, replica } = await open()
    await replica.close()
    upstash = await startUpstash({ port: 0, token, readOnlyToken, store, random: () => random })
  })
  afterAll(() => upstash?.close())
  beforeEach(async () => {
    random = 0.5
    Object.assign(upstash.faults, createFaults())
    await client().flushdb()
  })

  const client = (options: ClientOptions = {}) => clientOf(upstash, options)

  const send = async (path: string, init: RequestInit = {}): Promise<Answer> => {
    const headers = { authorization: `Bearer ${token}`, ...init.headers }
    const response = await fetch(upstash.url + path, { ...init, headers })
    return { status: response.status, body: await response.json() }
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
    // Longer than a busy machine takes to ask for what is to be there yet.
    const lifeMs = 2_000
    expect(await run('SET', 'short', 'x', 'PX', lifeMs)).toBe('OK')
    expect(await run('SET', 'kept', 'x', 'PX', lifeMs)).toBe('OK')
    expect(await run('PTTL', 'short')).toBeGreaterThan(0)
    expect(await run('INCRBY', 'counter', 1)).toBe(1)
    expect(await run('PEXPIRE', 'counter', lifeMs)).toBe(1)
    expect(await run('INCR', 'counter')).toBe(2)
    expect(await run('SET', 'kept', 'y')).toBe('OK')
    await pass(lifeMs)
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

  it('refuses everything without a known token', async () => {
    for (const path of ['/', '/pipeline', '/multi-exec', '/get/a'])
      for (const authorization of ['', 'Bearer wrong', token])
        expect(await post(path, ['GET', 'a'], { authorization })).toMatchObject({
          status: 401,
          body: { error: 'WRONGPASS invalid or missing auth token' },
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

/** The answer to a golden request, in the golden's own terms. */
const exchange = async (upstash: Upstash, { path, method = 'GET', ...golden }: Exchange) => {
  const bearer = { 'read-only': readOnlyToken, wrong: 'stranger', none: undefined, full: token }[golden.token ?? 'full']
  const authorization = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }
  const response = await fetch(upstash.url + path, {
    method,
    headers: { ...authorization, ...golden.headers },
    ...(golden.body === undefined ? {} : { body: golden.body }),
  })
  expect(response.headers.get('content-type')).toBe('application/json')
  const syncToken = response.headers.get('upstash-sync-token')
  return { title: golden.title, status: response.status, syncToken, answer: await response.text() }
}

test('every request of the conversation gets the answer that Upstash describes, to the byte', async () => {
  await withUpstash({ replicated: false }, async (upstash) => {
    for (const golden of exchanges) {
      const { title, status, syncToken, answer } = golden
      expect(await exchange(upstash, golden)).toEqual({ title, status, syncToken, answer })
    }
  })
  tell('upstash-contract', { stores: cases.length, exchanges: exchanges.length })
})

test('memory and Redis answer every sequence of commands alike, to the wording of an error', {
  timeout: sized({ short: 60_000, long: 3_600_000 }),
}, async (context) => {
  const redis = cases.find(({ name }) => name === 'Redis')
  if (!redis) return context.skip()
  const sequences = sized({ short: 300, long: 20_000 })
  const { store: real, replica: unused } = await redis.open()
  await unused.close()
  const figures = { commands: 0, errors: 0, discarded: 0 }
  /** Seconds until a time of the clock are others when it is the second one's turn. */
  const isUntilTime = (outcome: Outcome) =>
    'result' in outcome && Number(outcome.result) > 1e9 && Number(outcome.result) < 1e10
  /** Redis does not name the command for which it discards a transaction. */
  const known = (outcomes: Outcomes) =>
    'error' in outcomes
      ? outcomes.error.slice(0, 9)
      : outcomes.map((outcome) => (isUntilTime(outcome) ? { result: 'seconds until then' } : outcome))
  const property = fc.asyncProperty(fc.array(batches, { minLength: 1, maxLength: 4 }), async (sequence) => {
    const memory = createMemoryStore()
    await real.pipeline([['FLUSHDB']])
    for (const { kind, commands } of sequence) {
      const outcomes = known(await memory[kind](commands))
      expect(outcomes).toEqual(known(await real[kind](commands)))
      figures.commands += commands.length
      if (typeof outcomes === 'string') figures.discarded++
      else figures.errors += outcomes.filter((outcome) => 'error' in outcome).length
    }
  })
  await fc.assert(property, { seed, numRuns: sequences })
  await real.close()
  tell('upstash-contract', { sequences, ...figures })
})

test('each method of our adapter is one HTTP request, even when its answer is lost, of commands that stores are compared by', async () => {
  await withUpstash({ replicated: false }, async (upstash, { name }) => {
    const adapter = createUpstash({ url: upstash.url, token, timeoutMs: 5_000 })
    const tags = Array.from({ length: 50 }, (_, version) => ({ tag: `tag${version}`, version }))
    const entry = { text: 'text', lifeMs: 60_000 }
    const methods = {
      lookUp: { commands: 2, call: () => adapter.lookUp('key', 'tag') },
      fill: { commands: 4, call: () => adapter.fill('key', { tag: 'tag', version: 1 }, entry) },
      raise: { commands: 100, call: () => adapter.raise(tags) },
      ping: { commands: 1, call: () => adapter.ping() },
      keep: { commands: 1, call: () => adapter.keep('last', entry) },
      recall: { commands: 1, call: () => adapter.recall('last') },
    } satisfies Record<keyof typeof adapter, unknown>
    const seen = async (call: () => Promise<unknown>) => {
      const before = { requests: upstash.requests(), commands: upstash.commands() }
      const resolves = await fulfils(call())
      return {
        resolves,
        requests: upstash.requests() - before.requests,
        commands: upstash.commands() - before.commands,
      }
    }
    for (const [method, { commands, call }] of Object.entries(methods)) {
      upstash.faults.dropRate = 0
      expect({ name, method, ...(await seen(call)) }).toEqual({ name, method, resolves: true, requests: 1, commands })
      upstash.faults.dropRate = 1
      expect({ name, method, ...(await seen(call)) }).toEqual({ name, method, resolves: false, requests: 1, commands })
    }
  })

  const sent = new Set<string>()
  const memory = createMemoryStore()
  const pipeline: Store['pipeline'] = (commands) => {
    for (const [command] of commands) sent.add(command.toUpperCase())
    return memory.pipeline(commands)
  }
  const recorder = await startUpstash({ port: 0, token, readOnlyToken, store: { ...memory, pipeline } })
  const adapter = createUpstash({ url: recorder.url, token, timeoutMs: 5_000 })
  await adapter.fill('key', { tag: 'tag', version: 1 }, { text: 'text', lifeMs: 60_000 })
  await Promise.all([adapter.lookUp('key', 'tag'), adapter.raise([{ tag: 'tag', version: 2 }]), adapter.ping()])
  await adapter.keep('last', { text: 'text', lifeMs: 60_000 })
  expect(await adapter.recall('last')).toBe('text')
  await recorder.close()
  expect([...sent].sort()).toEqual(['DBSIZE', 'GET', 'PEXPIRE', 'PING', 'SET', 'ZADD', 'ZSCORE'])
  expect([...sent].filter((command) => !commandNames.includes(command))).toEqual([])
})

test('a reader with a sync token never sees less than its sender had seen, while the replica lags up to 5 s', {
  timeout: sized({ short: 60_000, long: 3_600_000 }),
}, async () => {
  const steps = sized({ short: 300, long: 20_000 })
  const lagMaxMs = 5_000
  const chance = createRandom()
  let nowMs = 1_800_000_000_000
  const figures = {
    writes: 0,
    readsWithToken: 0,
    behindWithToken: 0,
    readsWithout: 0,
    behindWithout: 0,
    behindMaxMs: 0,
  }
  await withUpstash({ replicated: true, random: chance, now: () => nowMs }, async (upstash) => {
    // Mostly short, so that now and then the replica is what a reader with a token gets.
    upstash.faults.lagMs = () => chance() ** 4 * lagMaxMs
    const sessions = Array.from({ length: 4 }, () => ({ redis: clientOf(upstash), seen: 0 }))
    const anySession = () => sessions[Math.floor(chance() * sessions.length)] ?? { redis: clientOf(upstash), seen: 0 }
    const stranger = { redis: clientOf(upstash, { sendsSyncTokens: false }), seen: 0 }
    const read = async (redis: Redis) => Number(await redis.get<string>('counted'))
    const writtenAt: number[] = [0]
    for (let step = 0; step < steps; step++) {
      nowMs += chance() * 300
      const session = anySession()
      const what = chance()
      if (what < 0.3) {
        session.seen = writtenAt.push(nowMs) - 1
        await session.redis.set('counted', session.seen)
      } else if (what < 0.5) {
        const receiver = anySession()
        receiver.redis.readYourWritesSyncToken = session.redis.readYourWritesSyncToken
        receiver.seen = session.seen
      } else {
        const found = await read(session.redis)
        expect(found).toBeGreaterThanOrEqual(session.seen)
        session.seen = found
        figures.readsWithToken++
        if (found < writtenAt.length - 1) figures.behindWithToken++
      }
      const found = await read(stranger.redis)
      expect(found).toBeGreaterThanOrEqual(stranger.seen)
      stranger.seen = found
      const behindMs = nowMs - (writtenAt[found + 1] ?? nowMs)
      expect(behindMs).toBeLessThanOrEqual(lagMaxMs)
      figures.behindMaxMs = Math.max(figures.behindMaxMs, Math.round(behindMs))
      figures.readsWithout++
      if (found < writtenAt.length - 1) figures.behindWithout++
    }
    figures.writes += writtenAt.length - 1
    await upstash.catchUp()
    expect(await read(stranger.redis)).toBe(writtenAt.length - 1)
  })
  expect(Math.min(figures.behindWithToken, figures.behindWithout)).toBeGreaterThan(0)
  tell('upstash-contract', figures)
})

test('writes that meet reach the replica in the order in which the primary took them', async () => {
  const writes = sized({ short: 300, long: 10_000 })
  const random = createRandom()
  await withUpstash({ replicated: true, random }, async (upstash) => {
    upstash.faults.lagMs = () => random() * 20
    const sender = clientOf(upstash)
    const reader = clientOf(upstash, { sendsSyncTokens: false })
    const keys = ['a', 'b', 'c']
    let left = writes
    const write = async () => {
      for (let at = left--; at > 0; at = left--) {
        const batch = random() < 0.5 ? sender.pipeline() : sender.multi()
        for (const key of keys) batch.set(key, `${at}`).get(keys[at % 3] ?? '')
        await Promise.all([batch.exec(), reader.mget(...keys)])
      }
    }
    await Promise.all(Array.from({ length: 16 }, write))
    await upstash.catchUp()
    const [, primary] = await sender
      .pipeline()
      .del('nothing')
      .mget(...keys)
      .exec<[number, string[]]>()
    expect(await reader.mget(...keys)).toEqual(primary)
  })
})

test('a replica that heard of a key late keeps it no longer than the primary', async () => {
  await withUpstash({ replicated: true }, async (upstash, { name, pass }) => {
    upstash.faults.lagMs = Number.POSITIVE_INFINITY
    const redis = clientOf(upstash)
    const reader = clientOf(upstash, { sendsSyncTokens: false })
    await redis
      .pipeline()
      .set('set', 'x', { px: 400 })
      .set('expired', 'x')
      .pexpire('expired', 400)
      .set('kept', 'x')
      .exec()
    await pass(300)
    expect(await reader.mget('set', 'expired', 'kept')).toEqual([null, null, null])
    await upstash.catchUp()
    await pass(150)
    expect({ name, found: await reader.mget('set', 'expired', 'kept') }).toEqual({ name, found: [null, null, 'x'] })
  })
})

test('a lost write was acknowledged, and is nowhere; a write that diverged is at the primary alone', async () => {
  const writes = sized({ short: 300, long: 5_000 })
  const figures = { writes: 0, forgotten: 0, diverged: 0 }
  const random = createRandom()
  await withUpstash({ replicated: true, random }, async (upstash) => {
    const redis = clientOf(upstash)
    const reader = clientOf(upstash, { sendsSyncTokens: false })
    /** How many are missing where a writing batch looks, which is the primary, and where a reading one does. */
    const missing = async (prefix: string) => {
      for (let at = 0; at < writes; at++) {
        const before = redis.readYourWritesSyncToken
        expect(await redis.pipeline().zadd(`${prefix}${at}`, { gt: true }, { score: at, member: 'm' }).exec()).toEqual([
          1,
        ])
        expect(redis.readYourWritesSyncToken).not.toBe(before)
      }
      Object.assign(upstash.faults, createFaults())
      const keys = Array.from({ length: writes }, (_, at) => `${prefix}${at}`)
      const [, primary] = await redis
        .pipeline()
        .del('nothing')
        .exists(...keys)
        .exec<[number, number]>()
      return { primary: writes - primary, replica: writes - (await reader.exists(...keys)) }
    }
    upstash.faults.forgetRate = 0.1
    const forgotten = await missing('forgotten')
    expect(forgotten.replica).toBe(forgotten.primary)
    upstash.faults.divergeRate = 0.1
    const diverged = await missing('diverged')
    expect(diverged.primary).toBe(0)
    for (const lost of [forgotten.primary, diverged.replica]) {
      expect(lost).toBeGreaterThan(writes * 0.03)
      expect(lost).toBeLessThan(writes * 0.25)
    }
    figures.writes += 2 * writes
    figures.forgotten += forgotten.primary
    figures.diverged += diverged.replica
  })
  tell('upstash-contract', figures)
})

test('of the commands of one second 10,000 are taken, and a batch beyond them does nothing', async () => {
  let nowMs = 1_800_000_000_000
  await withUpstash({ replicated: false, now: () => nowMs }, async (upstash) => {
    upstash.faults.commandsPerSecondMax = 10_000
    const redis = clientOf(upstash)
    const batch = (commands: number) => {
      const pipeline = redis.pipeline()
      for (let at = 0; at < commands; at++) pipeline.incr('taken')
      return pipeline.exec()
    }
    for (let at = 0; at < 9; at++) await batch(1_000)
    nowMs += 999
    await batch(999)
    await expect(batch(2)).rejects.toThrow(/ERR max commands per second exceeded\. Limit: 10000, Usage: 10001\./)
    expect(await redis.incr('taken')).toBe(10_000)
    await expect(redis.get('taken')).rejects.toThrow(/max commands per second/)
    nowMs += 1
    expect(await redis.get('taken')).toBe('10000')
  })
})

test('a full database refuses a fill and a raise, reads and deletes all the same, and tells its replica of nothing refused', async () => {
  await withUpstash({ replicated: true }, async (upstash) => {
    const adapter = createUpstash({ url: upstash.url, token, timeoutMs: 5_000 })
    const fill = (name: string) => adapter.fill(name, { tag: name, version: 7 }, { text: 'text', lifeMs: 60_000 })
    expect(await fill('first')).toEqual({ keys: 2 })
    expect(await fill('second')).toEqual({ keys: 4 })
    expect(await fill('second')).toEqual({ keys: 4 })
    upstash.faults.full = true
    await expect(fill('third')).rejects.toThrow(/ERR DB capacity quota exceeded/)
    await expect(adapter.raise([{ tag: 'first', version: 8 }])).rejects.toThrow(/ERR DB capacity quota exceeded/)
    expect(await adapter.lookUp('first', 'first')).toEqual({ entry: 'text', version: 7 })
    await expect(clientOf(upstash).multi().get('first').set('third', 'x').exec()).rejects.toThrow(/EXECABORT/)
    expect(await clientOf(upstash).del('first', 'second')).toBe(2)
    upstash.faults.full = false
    const reader = createUpstash({ url: upstash.url, token: readOnlyToken, timeoutMs: 5_000 })
    expect(await reader.lookUp('third', 'third')).toEqual({ entry: null, version: null })
    expect(await reader.lookUp('first', 'first')).toEqual({ entry: null, version: 7 })
    expect(await fill('first')).toEqual({ keys: 3 })
  })
})
