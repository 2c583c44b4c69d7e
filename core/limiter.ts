import { Fault } from '#contract/problem.ts'
import type { RegionalRedis, Script } from '#infra/redis.ts'

/**
 * `burst` at once, and from then on one each `intervalMs`. Whole numbers from 1, so that counting never rounds; together, as
 * `burst * intervalMs`, at most a day.
 */
export type Limit = { readonly burst: number; readonly intervalMs: number }

/** Calls since the process began. */
export type LimiterCounts = {
  /** Counted over all instances of the cell. */
  readonly shared: number
  /** Counted by this instance for itself, Redis being away. */
  readonly own: number
}

export type Limiter = {
  /**
   * Takes one from the allowance of `key` at `nowMs`, whole milliseconds since 1970. Answers 0, or how many milliseconds to wait;
   * a refused call costs nothing. Two at once are counted one after the other.
   * @throws Error for a limit that is none
   */
  take(key: string, limit: Limit, nowMs: number): Promise<number>
  /** What it came to up to now, for telemetry. */
  snapshot(): LimiterCounts
}

/** What can be lost at any time is no place to count for longer. */
const refillMaxMs = 86_400_000
/** Keys that a process counts for itself while Redis is away, some 15 MB; beyond that it forgets the oldest. */
const ownKeysMax = 100_000
/**
 * Clocks of a cell's instances differ by less. A count is kept for as much longer than the clock of its writer says: one whose
 * clock is behind would begin a new count too soon, again and again.
 */
const clocksDifferMaxMs = 5_000

/** The generic cell rate algorithm: of each key only the theoretical arrival time of its next call is kept. */
const gcra: Script = {
  name: 'perigeeGcra',
  keys: 1,
  text: `
    local now, interval, burst, keep = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
    local arrival = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
    local wait = arrival - (burst - 1) * interval - now
    if wait > 0 then return wait end
    redis.call('SET', KEYS[1], arrival + interval, 'PX', arrival + interval - now + keep)
    return 0`,
}

/**
 * Limits that hold over all instances of a cell: of a key at most `burst + (T + s) / intervalMs` calls are let through in any
 * time T, s being what the instances' clocks differ by. The callers' clocks are used, so that a limit can be tested; one that
 * was wrong and is set back makes its keys wait for `burst * intervalMs` and 5 s at the most.
 *
 * While Redis is away, or where there is none, each instance counts for itself: as many times as much as there are instances. Each
 * time that Redis goes, comes back or loses what it had, one more `burst`. Instances are back with it within 2 s. How often that
 * was is counted; that Redis is away is told by `watchRedis`.
 */
export const createLimiter = (redis: RegionalRedis): Limiter => {
  const own = new Map<string, number>()
  const counts = { shared: 0, own: 0 }

  const takeOwn = (key: string, { burst, intervalMs }: Limit, nowMs: number): number => {
    const known = own.get(key) ?? nowMs
    const isAhead = known > nowMs + burst * intervalMs + clocksDifferMaxMs
    const arrival = isAhead ? nowMs : Math.max(known, nowMs)
    const waitMs = arrival - (burst - 1) * intervalMs - nowMs
    if (waitMs > 0) return waitMs
    own.delete(key)
    own.set(key, arrival + intervalMs)
    if (own.size > ownKeysMax) own.delete(own.keys().next().value ?? '')
    return 0
  }

  return {
    take: async (key, limit, nowMs) => {
      requireCountable(limit, nowMs)
      const { burst, intervalMs } = limit
      try {
        const waitMs = Number(await redis.run(gcra, [`limit:${key}`], [nowMs, intervalMs, burst, clocksDifferMaxMs]))
        counts.shared++
        return waitMs
      } catch {
        counts.own++
        return takeOwn(key, limit, nowMs)
      }
    },
    snapshot: () => ({ ...counts }),
  }
}

/** Redis would refuse the script's numbers, which looks as if it were away. */
const requireCountable = ({ burst, intervalMs }: Limit, nowMs: number): void => {
  const areWhole = [burst, intervalMs].every((figure) => Number.isSafeInteger(figure) && figure >= 1)
  if (!areWhole || burst * intervalMs > refillMaxMs || !Number.isSafeInteger(nowMs))
    throw new Error(`no limit can be counted with ${burst} each ${intervalMs} ms at ${nowMs}`)
}

/** Takes one from an allowance. @throws Fault `too_many_requests` with the time to wait; then nothing was taken */
export const requireAllowance = async (
  limiter: Limiter,
  { key, limit, now }: { readonly key: string; readonly limit: Limit; readonly now: Date },
): Promise<void> => {
  const retryAfterMs = await limiter.take(key, limit, now.getTime())
  if (retryAfterMs > 0) throw new Fault('too_many_requests', { retryAfterMs })
}
