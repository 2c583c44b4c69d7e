import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { CallError } from '#contract/client.ts'
import { freePort } from '#infra/local/ports.ts'
import { findRedis, startRedis } from '#infra/local/redis.ts'
import { type CoreProcess, startCoreProcess } from './core-process.ts'
import { eventually } from './eventually.ts'
import { startExtraEdge } from './extra-edge.ts'
import { fulfils } from './fulfils.ts'
import { startHangingProxy } from './hanging-proxy.ts'
import { cell, startWorld, type World } from './harness.ts'
import { quantileOf } from './quantile.ts'
import { addressOf } from './valid-call.ts'

/** Writes are refused within this while Postgres is away. */
const refusedMaxMs = 300
/** Writes are taken again within this once it is back. */
const backMaxMs = 10_000
/** The fresh life of the nearest copy, and what is beyond it. */
const nearLifeMs = 2_100
const redisBinary = findRedis()

let world: World
beforeAll(async () => {
  world = await startWorld({ bus: 'direct' })
})
afterAll(() => world?.stop())

/** A core of its own process, and an edge before it. */
const startBehindEdge = async (settings: Readonly<Record<string, string>>) => {
  const core = await startCoreProcess(world, settings)
  onTestFinished(core.stop)
  const edge = await startExtraEdge(world, { cores: { [cell]: core.url } })
  onTestFinished(edge.stop)
  return { core, edge }
}

const timed = async <T>(work: Promise<T>): Promise<{ result: T; ms: number }> => {
  const startedAt = performance.now()
  return { result: await work, ms: performance.now() - startedAt }
}

const told = async (core: CoreProcess, text: string) => (await readFile(core.logFile, 'utf8')).split(text).length - 1

test.skipIf(!redisBinary)(
  'with Memorystore gone, silent or flushed players sign in as before, and the log says once that it is lost',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'perigee-degradation-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const port = await freePort()
    const start = () => startRedis({ binary: redisBinary ?? '', port, folder, logFile: join(folder, 'redis.log') })
    let redis = await start()
    onTestFinished(() => redis.stop())
    const { core, edge } = await startBehindEdge({ REDIS_URL: redis.url })
    const account = addressOf(randomUUID())
    const signIn = (body = account) => timed(world.client({ baseUrl: edge.url }).signInWithEmail({ body }))
    const usual = await signIn()

    const admin = new Redis(redis.url)
    await admin.flushall()
    admin.disconnect()
    const flushed = await signIn()
    expect(await told(core, 'Redis is lost')).toBe(0)

    process.kill(redis.pid, 'SIGSTOP')
    const silent = [await signIn(), await signIn()]
    process.kill(redis.pid, 'SIGCONT')
    await redis.stop()
    const gone = [await signIn(), await signIn(), await signIn()]
    expect(await told(core, 'Redis is lost')).toBe(1)

    redis = await start()
    await eventually(async () => {
      // Of one account no more would be looked at.
      await signIn(addressOf(randomUUID()))
      return (await told(core, 'Redis is back')) === 1
    }, backMaxMs)
    const all = { usual: [usual], flushed: [flushed], silent, gone }
    const tookMs = Object.entries(all).map(([how, signIns]) => [how, signIns.map(({ ms }) => Math.round(ms))])
    console.log(`sign-ins with a password took, ms: ${JSON.stringify(Object.fromEntries(tookMs))}`)
    for (const { result, ms } of Object.values(all).flat()) {
      expect(result.status).toBe(200)
      expect(ms).toBeLessThan(2_000)
    }
    expect(await told(core, 'Redis is lost')).toBe(1)
  },
)

test('with Postgres gone cached reads go on and say so, all else is 503 with Retry-After within 300 ms, and writes are taken soon after it is back', async () => {
  const target = Number(new URL(world.databaseUrl).port)
  const way = new URL(world.databaseUrl)
  let proxy = await startHangingProxy(target)
  onTestFinished(() => proxy.close())
  way.port = String(proxy.port)
  const { core, edge } = await startBehindEdge({ DATABASE_URL: way.href })
  const { accessToken, playerId } = await world.signIn()
  const client = world.client({ baseUrl: edge.url, bearer: accessToken })
  const params = { playerId }
  const before = await client.getProfile({ params })
  await client.updateOwnProfile({ body: { displayName: 'Before' } })
  await eventually(async () => (await client.getProfile({ params })).body.displayName === 'Before', 10_000)
  await proxy.close()
  // Without Upstash too nobody vouches for what is cached but the core, which cannot.
  world.upstash.faults.down = true
  onTestFinished(() => {
    world.upstash.faults.down = false
  })

  const refusals = [
    () => client.updateOwnProfile({ body: { displayName: 'Nobody' } }),
    () => client.getWallet(),
    () => client.getOwnProfile(),
  ]
  for (const call of refusals) {
    const times: number[] = []
    for (let time = 0; time < 5; time++) {
      const { result, ms } = await timed(call().catch((error: unknown) => error))
      expect(result).toMatchObject({ status: 503, code: 'unavailable' })
      expect(result instanceof CallError && result.headers.get('retry-after')).toMatch(/^[1-9]/)
      times.push(ms)
    }
    // A busy machine is late now and then, and not always.
    expect(quantileOf(times, 0.5)).toBeLessThan(refusedMaxMs)
  }
  expect((await fetch(`${core.url}/health/ready`)).status).toBe(503)
  await new Promise((resolve) => setTimeout(resolve, nearLifeMs))
  const stale = await client.getProfile({ params })
  expect(stale.headers.get('cache-status')).toMatch(/^perigee; hit; ttl=-\d+; detail=core-unreachable$/)
  expect(stale.body).toEqual({ ...before.body, displayName: 'Before' })

  proxy = await startHangingProxy(target, proxy.port)
  const isTaken = () => fulfils(client.updateOwnProfile({ body: { displayName: 'After' } }))
  const backMs = await eventually(isTaken, backMaxMs)
  expect((await fetch(`${core.url}/health/ready`)).status).toBe(200)
  console.log(`a write was taken ${Math.round(backMs)} ms after Postgres was back (bound: ${backMaxMs} ms)`)
})
