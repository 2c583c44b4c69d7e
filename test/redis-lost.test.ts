import { expect, test } from 'vitest'
import { createLimiter } from '#core/limiter.ts'
import { watchRedis } from '#core/watch-redis.ts'
import { createLog } from '#infra/log.ts'
import { createAbsentRedis } from '#infra/no-redis.ts'
import type { RegionalRedis } from '#infra/redis.ts'

const limit = { burst: 1_000, intervalMs: 1 }

/** A Redis that can be away, seen by a clock that is held. */
const createSeen = () => {
  const lines: Record<string, unknown>[] = []
  const state = { now: 1_000_000, away: false }
  const answer = async () => {
    if (state.away) throw new Error('too late')
    return 0
  }
  const redis: RegionalRedis = { ...createAbsentRedis(), run: answer, put: async () => void (await answer()) }
  const log = createLog({ service: 'core' }, (line) => lines.push(JSON.parse(line)))
  const watched = watchRedis(redis, { log, clock: () => state.now })
  const limiter = createLimiter(watched)
  const take = async (times: number) => {
    for (let at = 0; at < times; at++) await limiter.take('key', limit, state.now)
  }
  return { state, watched, limiter, take, messages: () => lines.map(({ message }) => message), lines }
}

test('that Redis is lost, and that it is back, is told once each, and every command is counted', async () => {
  const { state, watched, limiter, take, messages, lines } = createSeen()
  await take(3)
  state.away = true
  await take(40)
  await expect(watched.put('key', 'value', 1_000)).rejects.toThrow('too late')
  state.now += 60_000
  state.away = false
  await take(5)
  expect(messages()).toEqual(['Redis is lost: this process counts limits for itself', 'Redis is back'])
  expect(lines).toMatchObject([{ why: 'too late' }, { lostForMs: 60_000, failed: 41 }])
  expect(watched.snapshot()).toEqual({ answered: 8, failed: 41 })
  expect(limiter.snapshot()).toEqual({ shared: 8, own: 40 })
})

test('a Redis that answers every other command is lost until it has failed nobody for a second', async () => {
  const { state, take, messages } = createSeen()
  for (let at = 0; at < 100; at++) {
    state.away = at % 2 === 0
    state.now += 100
    await take(1)
  }
  expect(messages()).toEqual(['Redis is lost: this process counts limits for itself'])
  state.now += 900
  await take(1)
  expect(messages().at(-1)).toBe('Redis is back')
})

test('a deployment without Redis does what one does that has lost it, and says so once', async () => {
  const lines: string[] = []
  const log = createLog({ service: 'core' }, (line) => lines.push(line))
  const limiter = createLimiter(watchRedis(createAbsentRedis(), { log, clock: Date.now }))
  const once = { burst: 1, intervalMs: 1_000 }
  expect([await limiter.take('key', once, 5_000), await limiter.take('key', once, 5_100)]).toEqual([0, 900])
  expect(limiter.snapshot()).toEqual({ shared: 0, own: 2 })
  expect(lines).toHaveLength(1)
  expect(lines[0]).toContain('REDIS_URL is not set')
})
