import type { RegionalRedis } from './redis.ts'

/**
 * Redis for a deployment that has none: it is away, always. Whoever asks does what it does while Redis is lost, so that nobody has
 * a path of its own for a deployment without one. Every command rejects at once; `close` resolves, however often.
 */
export const createAbsentRedis = (): RegionalRedis => {
  const away = async () => {
    throw new Error('REDIS_URL is not set')
  }
  return { run: away, get: away, put: away, ping: away, close: async () => {} }
}
