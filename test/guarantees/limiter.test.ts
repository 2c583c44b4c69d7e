import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLimiter, type Limit } from '#core/limiter.ts'
import { freePort } from '#infra/local/ports.ts'
import { findRedis, type LocalRedis, startRedis } from '#infra/local/redis.ts'
import { createAbsentRedis } from '#infra/no-redis.ts'
import { createRedis, type RegionalRedis } from '#infra/redis.ts'
import { eventually } from '#test/eventually.ts'
import { fulfils } from '#test/fulfils.ts'
import { createRandom, sized, tell } from '#test/guarantee.ts'
import { createTalliedLimiter, startLimiterProcess } from '#test/limiter-process.ts'

const instancesCount = 4
const keysCount = 64
const operations = sized({ short: 10_000, long: 100_000 })
/** Calls of a burst, over all instances, against allowances of up to 50. */
const callsOfBurst = 80
const bursts = sized({ short: 150, long: 1_250 })
const skews = { 'one clock': 0, 'clocks that differ by up to 4 s': 4_000 }
const testMaxMs = sized({ short: 60_000, long: 600_000 })
/** So many of each instance that it has enough to refuse though a silent Redis makes each of them wait. */
const callersEach = 10
/** Instances try to come back to Redis at least as often. */
const backMaxMs = 2_000
const binary = findRedis()

const random = createRandom()
const below = (count: number) => Math.floor(random() * count)
const pick = <Item>(items: readonly Item[]): Item => items[below(items.length)] ?? expect.fail('there are some')

type Instance = ReturnType<typeof createTalliedLimiter>

let folder: string
let redis: LocalRedis
let admin: Redis
let connections: RegionalRedis[]
let instances: Instance[]
const start = (port: number) =>
  startRedis({ binary: binary ?? '', port, folder, logFile: join(folder, `redis-${port}.log`) })

const connect = async (url: string): Promise<RegionalRedis[]> => {
  const all = Array.from({ length: instancesCount }, () => createRedis({ url, cluster: false, onError: () => {} }))
  const isThere = (one: RegionalRedis) => fulfils(one.ping())
  for (const one of all) await eventually(() => isThere(one), 5_000)
  return all
}

beforeAll(async () => {
  if (!binary) return
  folder = await mkdtemp(join(tmpdir(), 'perigee-limiter-'))
  redis = await start(await freePort())
  admin = new Redis(redis.url)
  connections = await connect(redis.url)
  instances = connections.map(createTalliedLimiter)
})
afterAll(async () => {
  if (!binary) return
  for (const one of connections) await one.close()
  admin.disconnect()
  await redis.stop()
  await rm(folder, { recursive: true, force: true })
})

/** A bucket that runs out at an even rate: what is let through is one `intervalMs` more in it, and it holds `burst` of them. */
const createModel = ({ burst, intervalMs }: Limit) => {
  let level = 0
  let at = 0
  return (nowMs: number): number => {
    const left = Math.max(0, level - (nowMs - at))
    const waitMs = left + intervalMs - burst * intervalMs
    if (waitMs > 0) return waitMs
    level = left + intervalMs
    at = nowMs
    return 0
  }
}

const randomLimit = (): Limit => ({
  burst: 1 + below(random() < 0.2 ? 1 : 50),
  intervalMs: 1 + below(pick([5, 100, 5_000])),
})

/**
 * A clock that moves by itself and in steps: mostly none, so that a burst is used up; now and then about an interval, or all
 * that an allowance needs. It never goes slower than Redis's own, by which counts are forgotten.
 */
const createSteps = ({ burst, intervalMs }: Limit) => {
  let aheadMs = 0
  return () => {
    const chance = random()
    if (chance > 0.7) aheadMs += below(2 * intervalMs)
    if (chance > 0.98) aheadMs += below(2 * burst * intervalMs)
    return Date.now() + aheadMs
  }
}

/** What was let through: when by the clock of whoever asked. */
const expectWithin = (admittedAt: readonly number[], { burst, intervalMs }: Limit, skewMs: number, times = 1) => {
  const sorted = admittedAt.toSorted((a, b) => a - b)
  // It is enough to look at windows that begin and end with a call.
  for (const [first, from] of sorted.entries())
    for (let last = first; last < sorted.length; last++) {
      const allowed = burst + Math.floor(((sorted[last] ?? 0) - from + skewMs) / intervalMs)
      if (last - first + 1 > times * allowed)
        expect.fail(`${last - first + 1} of ${burst} each ${intervalMs} ms within ${(sorted[last] ?? 0) - from} ms`)
    }
}

test.skipIf(!binary).each(Object.entries(skews))(
  'several instances with %s answer each call of a key as the model does, also when Redis forgets its scripts',
  { timeout: testMaxMs },
  async (clocks, skewMs) => {
    const count = { admitted: 0, refused: 0, wrong: 0, flushes: 0, 'keys left, Redis being late': 0 }
    let keys = 0
    const begin = () => {
      const limit = randomLimit()
      return { key: `${clocks} ${keys++}`, limit, model: createModel(limit), steps: createSteps(limit) }
    }
    const play = async () => {
      let { key, limit, model, steps } = begin()
      for (let call = 0; call < operations / keysCount; ) {
        if (random() < 0.002) count.flushes += Number((await admin.script('FLUSH')) === 'OK')
        const nowMs = steps() + below(skewMs + 1)
        const expected = model(nowMs)
        const { limiter, alone } = pick(instances)
        const before = alone()
        const answer = await limiter.take(key, limit, nowMs)
        if (alone() > before) {
          // The model knows of no instance that counts for itself.
          count['keys left, Redis being late']++
          ;({ key, limit, model, steps } = begin())
          continue
        }
        call++
        if (answer !== expected) count.wrong++
        if (expected === 0) count.admitted++
        else count.refused++
      }
    }
    await Promise.all(Array.from({ length: keysCount }, play))
    tell(`limiter, ${clocks}`, { operations: count.admitted + count.refused, instances: instancesCount, ...count })
    expect(count.wrong).toBe(0)
    expect(Math.min(count.admitted, count.refused)).toBeGreaterThan(operations / 100)
    expect(count.flushes).toBeGreaterThan(0)
  },
)

test.skipIf(!binary)(
  'processes that ask at once get as much as the model allows between them, and never more in any time',
  { timeout: testMaxMs },
  async () => {
    const processes = Array.from({ length: instancesCount }, () => startLimiterProcess(redis.url))
    const count = { calls: 0, admitted: 0, keys: 0, 'keys left, Redis being late': 0 }
    const calls = callsOfBurst / instancesCount

    /** All at one time: exactly the model's answers, in whatever order. False when Redis was too late for one of them. */
    const playExactly = async (key: string): Promise<boolean> => {
      const limit = randomLimit()
      const model = createModel(limit)
      const steps = createSteps(limit)
      for (let burst = 0; burst < 5; burst++) {
        const nowMs = steps()
        const answers = await Promise.all(processes.map((one) => one.take({ key, limit, nowMs, calls })))
        if (answers.some(({ alone }) => alone > 0)) return false
        const waits = answers.flatMap((answer) => answer.waits)
        expect(waits.toSorted((a, b) => a - b)).toEqual(Array.from({ length: callsOfBurst }, () => model(nowMs)))
        count.calls += callsOfBurst
        count.admitted += waits.filter((wait) => wait === 0).length
      }
      return true
    }
    /** Each at its own time: never more than the bound. */
    const playApart = async (key: string, skewMs: number): Promise<boolean> => {
      const limit = randomLimit()
      const steps = createSteps(limit)
      const admittedAt: number[] = []
      for (let burst = 0; burst < 5; burst++) {
        const trueMs = steps()
        const play = async (one: (typeof processes)[number]) => {
          const { waits, alone } = await one.take({ key, limit, nowMs: trueMs + below(skewMs + 1), calls })
          admittedAt.push(...waits.filter((wait) => wait === 0).map(() => trueMs))
          return alone
        }
        const alone = await Promise.all(processes.map(play))
        if (alone.some((calls) => calls > 0)) return false
      }
      expectWithin(admittedAt, limit, skewMs)
      count.calls += 5 * callsOfBurst
      count.admitted += admittedAt.length
      return true
    }
    const untilPlayed = async (name: string, play: (key: string) => Promise<boolean>) => {
      for (let attempt = 0; !(await play(`${name} ${attempt}`)); attempt++) count['keys left, Redis being late']++
      count.keys++
    }
    for (let at = 0; at < bursts / 10; at++) {
      await Promise.all([
        untilPlayed(`exactly ${at}`, playExactly),
        untilPlayed(`apart ${at}`, (key) => playApart(key, pick(Object.values(skews)))),
      ])
    }
    tell('limiter, at once', { processes: instancesCount, ...count })
    await Promise.all(processes.map((one) => one.stop()))
  },
)

test.skipIf(!binary)('an instance whose clock is behind keeps to what one that is ahead has counted', async () => {
  const [ahead = expect.fail(), behind = expect.fail()] = instances
  const limit = { burst: 1, intervalMs: 50 }
  const startedAt = Date.now()
  expect(await ahead.limiter.take('behind', limit, startedAt + 2_000)).toBe(0)
  // By now the clock that is ahead has passed what it has counted.
  await pause(150)
  expect(await behind.limiter.take('behind', limit, startedAt + 150)).toBe(1_900)
})

test.skipIf(!binary).each(['is gone', 'is silent'] as const)(
  'while Redis %s each instance counts for itself, and once it is back they count together again',
  { timeout: testMaxMs },
  async (how) => {
    const port = await freePort()
    let server = await start(port)
    const redises = await connect(server.url)
    const those = redises.map(createTalliedLimiter)
    const limit = { burst: 20, intervalMs: 50 }
    const forMs = sized({ short: 1_000, long: 10_000 })
    let slowestMs = 0

    /** When each instance has let one through, and between when they were asked: a busy machine may not ask until the end. */
    type Load = {
      readonly admitted: readonly (readonly number[])[]
      /** Of the instance that was asked least. */
      readonly calls: number
      readonly forMs: number
    }

    /** Callers of each instance ask all along. */
    const load = async (key: string, whileMs: number): Promise<Load> => {
      const until = performance.now() + whileMs
      const startedAt = Date.now()
      let lastAt = startedAt
      const calls = those.map(() => 0)
      const ask = async ({ limiter }: Instance, at: number, admittedAt: number[]) => {
        while (performance.now() < until) {
          const nowMs = Date.now()
          lastAt = nowMs
          calls[at] = (calls[at] ?? 0) + 1
          const askedAt = performance.now()
          if ((await limiter.take(key, limit, nowMs)) === 0) admittedAt.push(nowMs)
          slowestMs = Math.max(slowestMs, performance.now() - askedAt)
          await pause(20)
        }
      }
      const admitted = those.map((): number[] => [])
      const asking = those.flatMap((instance, at) =>
        Array.from({ length: callersEach }, () => ask(instance, at, admitted[at] ?? expect.fail())),
      )
      await Promise.all(asking)
      return { admitted, calls: Math.min(...calls), forMs: lastAt - startedAt }
    }
    /** With a Redis that is there all along, which a busy machine may need more than one attempt for. */
    const loadTogether = async (key: string): Promise<Load> => {
      const aloneOf = () => those.reduce((sum, { alone }) => sum + alone(), 0)
      for (let attempt = 0; ; attempt++) {
        const alone = aloneOf()
        const loaded = await load(`${key} ${attempt}`, forMs)
        if (aloneOf() === alone || attempt === 20) return loaded
      }
    }
    const before = await loadTogether('before')
    const known = await load('lost', forMs)
    if (how === 'is gone') await server.stop()
    else process.kill(server.pid, 'SIGSTOP')
    const away = await load('lost', forMs)
    const returning = load('lost', forMs + backMaxMs)
    if (how === 'is gone') server = await start(port)
    else process.kill(server.pid, 'SIGCONT')
    const back = await returning
    const after = await loadTogether('after')

    const figures = { before, away, back, after }
    for (const admittedAt of away.admitted) expectWithin(admittedAt, limit, 0)
    for (const { admitted } of [before, after]) expectWithin(admitted.flat(), limit, 0)
    // Over all that happened: what instances counted, and what Redis did before and after.
    expectWithin(
      [known, away, back].flatMap(({ admitted }) => admitted.flat()),
      limit,
      0,
      instancesCount + 2,
    )
    // Each has used up what was its own, and together what was the cell's, as far as they asked for it.
    const leastOf = ({ forMs, calls }: Load) => Math.min(limit.burst + (0.8 * forMs) / limit.intervalMs, 0.8 * calls)
    for (const admittedAt of away.admitted) expect(admittedAt.length).toBeGreaterThan(leastOf(away))
    expect(after.admitted.flat().length).toBeGreaterThan(leastOf(after))
    tell(`limiter, Redis ${how}`, {
      instances: instancesCount,
      ...Object.fromEntries(Object.entries(figures).map(([name, { admitted }]) => [name, admitted.flat().length])),
      'slowest call ms': Math.round(slowestMs),
    })
    for (const one of redises) await one.close()
    await server.stop()
  },
)

test('a limiter without Redis answers as the model does, and forgets the oldest of more than 100,000 keys', async () => {
  const limiter = createLimiter(createAbsentRedis())
  for (let at = 0; at < keysCount; at++) {
    const limit = randomLimit()
    const model = createModel(limit)
    const steps = createSteps(limit)
    for (let call = 0; call < operations / keysCount; call++) {
      const nowMs = steps() + below(1_000)
      expect(await limiter.take(`own ${at}`, limit, nowMs)).toBe(model(nowMs))
    }
  }
  const once = { burst: 1, intervalMs: 60_000 }
  const nowMs = Date.now()
  for (let at = 0; at <= 100_000; at++) expect(await limiter.take(`many ${at}`, once, nowMs)).toBe(0)
  expect(await limiter.take('many 100000', once, nowMs)).toBe(60_000)
  expect(await limiter.take('many 1', once, nowMs)).toBe(60_000)
  expect(await limiter.take('many 0', once, nowMs)).toBe(0)
})

test('a clock that was an hour ahead and is set back makes nobody wait for an hour', async () => {
  const limiter = createLimiter(createAbsentRedis())
  const limit = { burst: 2, intervalMs: 100 }
  const nowMs = Date.now()
  expect(await limiter.take('set back', limit, nowMs + 3_600_000)).toBe(0)
  for (const waitMs of [0, 0, 100]) expect(await limiter.take('set back', limit, nowMs)).toBe(waitMs)
})

test('what is no limit, and a time that is none, is an error and never counted', async () => {
  const good = { burst: 1, intervalMs: 86_400_000 }
  const bad: [Limit, number][] = [
    ...[0, -1, 0.5, 1.5, 2, Number.NaN, Number.POSITIVE_INFINITY].map((burst): [Limit, number] => [
      { ...good, burst },
      1,
    ]),
    ...[0, -1, 0.5, 2 ** 53].map((intervalMs): [Limit, number] => [{ ...good, intervalMs }, 1]),
    ...[0.5, Number.NaN, 2 ** 53].map((nowMs): [Limit, number] => [good, nowMs]),
  ]
  for (const limiter of [createLimiter(createAbsentRedis()), ...(instances ?? []).map((one) => one.limiter)]) {
    for (const [limit, nowMs] of bad)
      await expect(limiter.take('bad', limit, nowMs)).rejects.toThrow('no limit can be counted')
    await limiter.take('bad', good, Date.now())
  }
})
