import type { RegionalRedis } from '#infra/redis.ts'
import type { Telemetry } from '#infra/telemetry.ts'
import type { Limiter } from './limiter.ts'
import { metrics } from './metrics.ts'

/** A Redis whose commands are seen by name, where they are a part of something recorded. No key and no value is told. */
export const observeRedis = (telemetry: Telemetry, redis: RegionalRedis): RegionalRedis => {
  if (!telemetry.enabled) return redis
  const seen = async <Result>(command: string, work: () => Promise<Result>): Promise<Result> => {
    const span = telemetry.startSpan(command, {
      kind: 'client',
      attributes: { 'db.system.name': 'redis', 'db.operation.name': command },
    })
    try {
      const result = await work()
      span?.end()
      return result
    } catch (error) {
      span?.end('unavailable')
      throw error
    }
  }
  return {
    ...redis,
    run: (script, keys, args) => seen(script.name, () => redis.run(script, keys, args)),
    get: (key) => seen('GET', () => redis.get(key)),
    put: (key, value, lifeMs) => seen('SET', () => redis.put(key, value, lifeMs)),
  }
}

/** A limiter whose refusals are counted by what is limited: the part of the key that names nobody. */
export const watchLimiter = (telemetry: Telemetry, limiter: Limiter): Limiter => {
  if (!telemetry.enabled) return limiter
  const refused = telemetry.counter(metrics.limiterRefused)
  return {
    ...limiter,
    take: async (key, limit, nowMs) => {
      const waitMs = await limiter.take(key, limit, nowMs)
      if (waitMs > 0) refused(1, { 'perigee.limit': key.split(':', 1)[0] ?? 'unknown' })
      return waitMs
    },
  }
}
