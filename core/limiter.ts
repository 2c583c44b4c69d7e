import { Fault } from '#contract/problem.ts'
import type { RegionalRedis, Script } from '#infra/redis.ts'

/** `burst` at once, and from then on one each `intervalMs`. */
export type Limit = { readonly burst: number; readonly intervalMs: number }

export type Limiter = {
  /** Takes one from the allowance of `key`. Answers 0, or how many milliseconds to wait; a refused call costs nothing. */
  take(key: string, limit: Limit, nowMs: number): Promise<number>
}

/** Keys that a process counts for itself while Redis is away; beyond that it forgets the oldest. */
const ownKeysMax = 100_000

/**
 * The generic cell rate algorithm: of each key only the theoretical arrival time of its next call is kept.
 * The caller's clock is used, so that a limit can be tested; instances of a cell agree within their clocks' difference.
 */
const gcra: Script = {
  name: 'perigeeGcra',
  keys: 1,
  text: `
    local now, interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
    local arrival = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
    local wait = arrival - (burst - 1) * interval - now
    if wait > 0 then return math.ceil(wait) end
    redis.call('SET', KEYS[1], arrival + interval, 'PX', math.ceil(arrival + interval - now))
    return 0`,
}

/**
 * Limits that hold over all instances of a cell. Without Redis, or while it is away, each instance counts for itself: the
 * bound is then as many times weaker as there are instances.
 */
export const createLimiter = (redis: RegionalRedis | undefined): Limiter => {
  const own = new Map<string, number>()

  const takeOwn: Limiter['take'] = async (key, { burst, intervalMs }, nowMs) => {
    const arrival = Math.max(own.get(key) ?? nowMs, nowMs)
    const waitMs = arrival - (burst - 1) * intervalMs - nowMs
    if (waitMs > 0) return waitMs
    own.delete(key)
    own.set(key, arrival + intervalMs)
    if (own.size > ownKeysMax) own.delete(own.keys().next().value ?? '')
    return 0
  }

  return {
    take: async (key, limit, nowMs) => {
      if (!redis) return takeOwn(key, limit, nowMs)
      try {
        return Number(await redis.run(gcra, [`limit:${key}`], [nowMs, limit.intervalMs, limit.burst]))
      } catch {
        return takeOwn(key, limit, nowMs)
      }
    },
  }
}

/** Takes one from an allowance. @throws Fault `too_many_requests` with the time to wait; then nothing was taken */
export const requireAllowance = async (
  limiter: Limiter,
  { key, limit, now }: { readonly key: string; readonly limit: Limit; readonly now: Date },
): Promise<void> => {
  const retryAfterMs = await limiter.take(key, limit, now.getTime())
  if (retryAfterMs > 0) throw new Fault('too_many_requests', { retryAfterMs })
}
