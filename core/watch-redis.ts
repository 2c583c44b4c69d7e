import type { Log } from '#infra/log.ts'
import type { RegionalRedis } from '#infra/redis.ts'

/** Commands since the process began. */
export type RedisCounts = {
  readonly answered: number
  /** Refused, failed or too late: whoever asked went on without Redis. */
  readonly failed: number
}

/** Redis, seen by whoever runs the cell. */
export type WatchedRedis = RegionalRedis & {
  /** What it came to up to now, for telemetry. */
  snapshot(): RedisCounts
}

/** One command that is late on a busy machine among others that are not would fill the log with losses and returns. */
const backAfterMs = 1_000

/**
 * Counts what Redis answers and what it does not, and writes one line when it is lost and one when it is back: that it answered
 * and nothing has failed for a second. What a command answers or throws is passed on as it is; `ping` and `close` are not counted.
 *
 * @param options.clock ms since 1970
 */
export const watchRedis = (
  redis: RegionalRedis,
  { log, clock }: { readonly log: Log; readonly clock: () => number },
): WatchedRedis => {
  let answered = 0
  let failed = 0
  let lost: { readonly at: number; readonly failedBefore: number } | undefined
  let failedAt = 0

  const fail = (error: unknown) => {
    failedAt = clock()
    if (!lost) {
      lost = { at: failedAt, failedBefore: failed }
      const why = error instanceof Error ? error.message : String(error)
      log.info('Redis is lost: this process counts limits for itself', { why })
    }
    failed++
  }
  const succeed = () => {
    answered++
    if (!lost || clock() - failedAt < backAfterMs) return
    log.info('Redis is back', { lostForMs: clock() - lost.at, failed: failed - lost.failedBefore })
    lost = undefined
  }
  const watched = async <Answer>(command: Promise<Answer>): Promise<Answer> => {
    try {
      const answer = await command
      succeed()
      return answer
    } catch (error) {
      fail(error)
      throw error
    }
  }
  return {
    ...redis,
    run: (script, keys, args) => watched(redis.run(script, keys, args)),
    get: (key) => watched(redis.get(key)),
    put: (key, value, lifeMs) => watched(redis.put(key, value, lifeMs)),
    snapshot: () => ({ answered, failed }),
  }
}
