import { Fault } from '#contract/problem.ts'
import type { Environment } from './environment.ts'
import type { Exchange } from './exchange.ts'

/** Cloudflare counts in windows of ten seconds (`period` in wrangler.toml), so that is the longest that a wait can be. */
const retryAfterMs = 10_000

/** Keys of backends that a core has accepted and this isolate remembers. A deployment has tens. */
const provenMax = 1_000

/**
 * The counters are those of one data centre and may run a little late: they keep a client in a loop away, they are no quota.
 * Each counting method throws Fault `too_many_requests`.
 */
export type Limits = {
  /**
   * Counts a request against its caller: a player, a backend's key, else a network address. A backend's key that no core
   * has accepted yet counts against its address too, for whoever makes keys up has as many as they like.
   */
  caller(exchange: Exchange): Promise<void>
  /** Counts a request whose credentials were refused here against its address. */
  address(exchange: Exchange): Promise<void>
  /** A core did not refuse the caller's credentials. */
  proven(exchange: Exchange): void
}

export const createLimits = (limiters: Environment['limits']): Limits => {
  const proven = new Set<string>()
  return {
    caller: async (exchange) => {
      const { principal } = exchange
      if (principal.kind === 'player') return take(limiters.caller, principal.playerId)
      if (!isBackend(exchange)) return take(limiters.public, addressOf(exchange))
      const key = keyOf(exchange)
      if (!proven.has(key)) await take(limiters.public, addressOf(exchange))
      await take(limiters.server, key)
    },
    address: (exchange) => take(limiters.public, addressOf(exchange)),
    proven: (exchange) => {
      if (!isBackend(exchange)) return
      if (proven.size >= provenMax) proven.clear()
      proven.add(keyOf(exchange))
    },
  }
}

const isBackend = ({ principal }: Exchange) => principal.kind === 'server' || principal.kind === 'operator'

const keyOf = ({ headers }: Exchange) => headers.get('authorization') ?? ''

const addressOf = ({ headers }: Exchange) => headers.get('cf-connecting-ip') ?? 'unknown'

const take = async (limiter: RateLimit, key: string) => {
  const { success } = await limiter.limit({ key })
  if (!success) throw new Fault('too_many_requests', { retryAfterMs })
}
