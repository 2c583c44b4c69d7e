import { limitNetwork } from '#core/auth/sign-in-limits.ts'
import { createLimiter } from '#core/limiter.ts'
import type { Exchange } from '#edge/exchange.ts'
import { createLimits } from '#edge/limit.ts'
import { createAbsentRedis } from '#infra/no-redis.ts'
import type { Values } from './inputs.ts'
import { createArrivals, createRandom, seedOf } from './random.ts'

/** How sign-ins from behind one address fare at the start of an event. */
export type NetworkFate = {
  /** Players of an evening behind the address, all near one city and at home in one cell. */
  readonly players: number
  readonly signIns: number
  /** Of the sign-ins, from 0 to 1, by who refuses them at the first attempt. */
  readonly refusedByEdge: number
  readonly refusedByCore: number
}

/** From a household to all customers of a carrier in a city. */
const networkSizes = [100, 1_000, 10_000, 100_000]
/** Of the event; arrivals have gone down to a fifth. */
const seconds = 300
const windowMs = 10_000

/** The limits of edge and core, as a deployment has them, at the start of an event. Nobody who is refused comes again. */
export const networkFates = async (values: Values, seed: number): Promise<readonly NetworkFate[]> => {
  const fates: NetworkFate[] = []
  for (const players of networkSizes) fates.push(await fateOf(players, values, seed))
  return fates
}

const fateOf = async (players: number, values: Values, seed: number): Promise<NetworkFate> => {
  let nowMs = Date.UTC(2026, 0, 1)
  const startMs = nowMs
  const limiters = {
    public: createWindowCounter(values.publicLimit, () => nowMs),
    // Nobody here has a session or a server's key yet.
    caller: unlimited,
    server: unlimited,
  }
  const limits = createLimits(limiters, () => {})
  // As a core without Redis counts: by the same rule, for itself alone. With Redis all of a cell count as one.
  const limiter = createLimiter(createAbsentRedis())
  const random = createRandom(seedOf(seed, `network of ${players}`))
  const counts = { signIns: 0, edge: 0, core: 0 }
  for (let second = 0; second < seconds; second++) {
    const coming = Math.exp(-second / values.eventArrivalSeconds) / values.eventArrivalSeconds
    const perSecond = (players * values.signInsPerMinute) / 60 + players * values.eventPlayersShare * coming
    const arrivals = createArrivals([perSecond / 1_000], random, startMs + second * 1_000)
    for (nowMs = startMs + second * 1_000; nowMs < startMs + (second + 1) * 1_000; nowMs++)
      while (arrivals.next(nowMs) >= 0) {
        counts.signIns++
        if (await isRefused(() => limits.caller(newcomer))) counts.edge++
        else if (await isRefused(() => limitNetwork(limiter, { now: new Date(nowMs), address }))) counts.core++
      }
  }
  const share = (count: number) => count / Math.max(1, counts.signIns)
  return { players, signIns: counts.signIns, refusedByEdge: share(counts.edge), refusedByCore: share(counts.core) }
}

const address = '192.0.2.1'

/** Of a request that alone which limits look at. */
const newcomer = (() => {
  const part: Pick<Exchange, 'headers' | 'principal'> = {
    headers: new Map([['cf-connecting-ip', address]]),
    principal: { kind: 'client', keyId: 'key_model' as never },
  }
  return part as Exchange
})()

const unlimited = { limit: async () => ({ success: true }) }

/** As Cloudflare's binding counts: in fixed windows of ten seconds. */
const createWindowCounter = (limit: number, clock: () => number) => {
  let window = 0
  let count = 0
  return {
    limit: async () => {
      const current = Math.floor(clock() / windowMs)
      if (current !== window) {
        window = current
        count = 0
      }
      count++
      return { success: count <= limit }
    },
  }
}

const isRefused = async (attempt: () => Promise<void>): Promise<boolean> => {
  try {
    await attempt()
    return false
  } catch {
    return true
  }
}
