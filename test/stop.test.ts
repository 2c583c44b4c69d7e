import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { request, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createDrain, type Track } from '#core/drain.ts'
import { type Listener, listen } from '#core/listener.ts'
import { createLoop } from '#core/loop.ts'
import { createReaper } from '#core/reap.ts'
import { freePort } from '#infra/local/ports.ts'
import { createLog } from '#infra/log.ts'
import { startCoreProcess } from './core-process.ts'
import { startWorld, type World } from './harness.ts'
import { undisturbed } from './stalls.ts'

const never = new Promise<never>(() => {})

/** Every line of a log, parsed. */
const createLogLines = () => {
  const lines: Record<string, unknown>[] = []
  return { lines, log: createLog({ service: 'core' }, (line) => lines.push(JSON.parse(line))) }
}

describe('the order of a stop', () => {
  /** A drain whose parts note that they were asked, and whose exits are noted too. */
  const createDrained = (parts: { work?: (track: Track) => Promise<void>; redis?: () => Promise<void> } = {}) => {
    const steps: string[] = []
    const { lines, log } = createLogLines()
    const step = (name: string) => async () => void steps.push(name)
    const exited = Promise.withResolvers<number>()
    const drain = createDrain({
      stopWork: parts.work ?? step('work'),
      linger: step('linger'),
      closeServer: step('server'),
      underWay: () => 3,
      closings: { Postgres: step('Postgres'), Redis: parts.redis ?? step('Redis') },
      log,
      exit: exited.resolve,
    })
    return { drain, steps, lines, exited: exited.promise }
  }

  test('what it used is closed after the last request, and a second signal changes nothing', async () => {
    const { drain, steps, exited } = createDrained()
    drain('SIGTERM')
    drain('SIGTERM')
    drain('SIGINT')
    expect(await exited).toBe(0)
    expect(steps).toEqual(['work', 'linger', 'server', 'Postgres', 'Redis'])
  })

  test('what hangs is cut within eight seconds and named, and so is what else was waited for', async () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const work = async (track: Track) => {
      await Promise.all([track('relay', never), track('reaper', Promise.resolve()), track('events', never)])
    }
    const { drain, lines, exited } = createDrained({ work })
    drain('SIGTERM')
    await vi.advanceTimersByTimeAsync(7_999)
    expect(await exited).toBe(1)
    expect(lines.at(-1)).toMatchObject({ severity: 'ERROR', pending: 'relay, events', requests: 3 })
  })

  test('a part that fails keeps no other from its end, is told, and the process says so by its exit', async () => {
    const redis = async () => {
      throw new Error('no')
    }
    const { drain, steps, lines, exited } = createDrained({ redis })
    drain('SIGTERM')
    expect(await exited).toBe(1)
    expect(steps).toEqual(['work', 'linger', 'server', 'Postgres'])
    expect(lines).toContainEqual(expect.objectContaining({ severity: 'ERROR', part: 'Redis' }))
  })
})

describe('a server that leaves', () => {
  /** Answers `/held` when it is told to, and everything else at once. */
  const startListener = async (): Promise<{ listener: Listener; url: string; held: ServerResponse[] }> => {
    const port = await freePort()
    const held: ServerResponse[] = []
    const listening = Promise.withResolvers<void>()
    const listener = listen({
      answer: (asked, response) => void (asked.url === '/held' ? held.push(response) : response.end('answer')),
      port,
      onListening: listening.resolve,
      onError: listening.reject,
    })
    await listening.promise
    return { listener, url: `http://127.0.0.1:${port}`, held }
  }

  const ask = (url: string) =>
    new Promise<{ status: number | undefined; connection: string | undefined }>((resolve, reject) => {
      const asked = request(url, { agent: false, headers: { connection: 'keep-alive' } }, (answer) => {
        const { statusCode: status, headers } = answer
        answer.on('end', () => resolve({ status, connection: headers.connection })).resume()
      })
      asked.on('error', reject).end()
    })

  const timed = async (work: Promise<unknown>) => {
    const startedAt = performance.now()
    await work
    return performance.now() - startedAt
  }

  test('asks every client to send no more on its connection, also those whose request came before', async () => {
    const { listener, url, held } = await startListener()
    expect(await ask(url)).toEqual({ status: 200, connection: 'keep-alive' })
    const early = ask(`${url}/held`)
    await vi.waitUntil(() => held.length === 1, { timeout: 10_000 })
    const lingering = listener.linger()
    expect(await ask(url)).toEqual({ status: 200, connection: 'close' })
    held[0]?.end('answer')
    expect(await early).toEqual({ status: 200, connection: 'close' })
    await lingering
    await listener.close()
  })

  test('serves on until nobody has asked for a second, whoever asks whether it is there, and for three at the most', async () => {
    const { listener, url } = await startListener()
    const asking = async (path: string, signal: AbortSignal) => {
      while (!signal.aborted) {
        await ask(url + path)
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    }
    const lingersWhileAsked = (path: string) =>
      undisturbed(300, async () => {
        const over = new AbortController()
        const being = asking(path, over.signal)
        const ms = await timed(listener.linger())
        over.abort()
        await being
        return ms
      })
    const quietMs = await lingersWhileAsked('/health/ready')
    expect(quietMs).toBeGreaterThanOrEqual(1_000)
    expect(quietMs).toBeLessThan(2_000)

    const busyMs = await lingersWhileAsked('/')
    expect(busyMs).toBeGreaterThanOrEqual(3_000)
    expect(busyMs).toBeLessThan(4_000)
    await listener.close()
  })

  test('that stood still hears those who have asked meanwhile before it finds that nobody did', async () => {
    const { listener, url } = await startListener()
    const client = connect(Number(new URL(url).port), '127.0.0.1')
    client.on('error', () => {})
    const asking = () => client.write('GET / HTTP/1.1\r\nhost: here\r\n\r\n')
    asking()
    await once(client, 'data')
    const lingering = timed(listener.linger())
    asking()
    const until = performance.now() + 1_200
    while (performance.now() < until);
    expect(await lingering).toBeGreaterThanOrEqual(2_000)
    client.destroy()
    await listener.close()
  })

  test('gives what is under way its answer, takes nothing more, and waits for no request that was half sent', async () => {
    const { listener, url, held } = await startListener()
    const early = ask(`${url}/held`)
    const silent = connect(Number(new URL(url).port), '127.0.0.1')
    silent.on('error', () => {})
    silent.write('GET / HTTP/1.1\r\n')
    await vi.waitUntil(() => held.length === 1 && silent.bytesWritten > 0, { timeout: 10_000 })
    const closing = listener.close()
    expect(listener.underWay()).toBe(1)
    await expect(ask(url)).rejects.toThrow('ECONNREFUSED')
    held[0]?.end('answer')
    expect(await early).toEqual({ status: 200, connection: 'close' })
    // Node itself would wait a minute for the other half.
    const late = new Promise((resolve) => setTimeout(resolve, 1_000, 'late'))
    expect(await Promise.race([closing, late])).toBeUndefined()
  })
})

describe('work that ends', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld({ bus: 'direct' })
  })
  afterAll(() => world?.stop())

  test('a loop that is told to stop takes no further turn, and the turn that runs is told', async () => {
    const turns: AbortSignal[] = []
    const loop = createLoop(async (signal) => {
      turns.push(signal)
      if (turns.length === 2) await new Promise((resolve) => signal.addEventListener('abort', resolve))
      return 0
    })
    loop.start()
    await vi.waitUntil(() => turns.length === 2, { timeout: 10_000 })
    await Promise.all([loop.stop(), loop.stop()])
    expect(turns).toHaveLength(2)
    loop.start()
    await loop.stop()
    expect(turns, 'one that was stopped starts no more').toHaveLength(2)
  })

  test('a reaper that is told to stop leaves the next batch to others', async () => {
    await world.platform.stop()
    const { log } = createLogLines()
    const reaper = createReaper({ db: world.database.db, log, clock: () => Date.now() + 3_600_000_000 })
    await world.signIn()
    await world.sql`update outbox set published_at = now()`
    expect(await reaper.runOnce(AbortSignal.abort())).toBe(0)
    expect(await reaper.runOnce()).toBeGreaterThan(0)
  })

  test('from the signal on a core says that it is not ready while it serves on, publishes nothing, and ends well', async () => {
    const core = await startCoreProcess(world, { ROLE: 'all' })
    onTestFinished(core.stop)
    process.kill(core.pid, 'SIGTERM')
    await vi.waitUntil(async () => (await fetch(`${core.url}/health/ready`)).status === 503, { timeout: 10_000 })
    // Others publish what is committed from here on.
    await world.sql`
      insert into outbox (event_id, aggregate, version, type, data, moved, traceparent, occurred_at)
      values ('evt_eu1_1', 'player:1', 1, 'perigee.player.updated.v1', '{}', '[]', '', now())`
    const answer = await fetch(`${core.url}/health/ready`)
    expect([answer.status, await answer.text(), answer.headers.get('connection')]).toEqual([503, 'stopping', 'close'])
    expect((await fetch(`${core.url}/health/live`)).status).toBe(200)
    process.kill(core.pid, 'SIGTERM')
    expect(await core.exited).toEqual({ code: 0, signal: null })
    expect(await world.sql`select from outbox where published_at is null`).not.toEqual([])
    const printed = await readFile(core.logFile, 'utf8')
    expect(printed.match(/"message":"stopping"/g)).toHaveLength(1)
  })
})
