import { networkOf } from '#contract/network.ts'
import { Fault } from '#contract/problem.ts'
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
   * Counts a request against its caller: a player, a backend's key, else the network that it comes from. A backend's key that no core
   * has accepted yet counts against its network too, for whoever makes keys up has as many as they like.
   */
  caller(exchange: Exchange): Promise<void>
  /** Counts a request whose credentials were refused here against its network. */
  address(exchange: Exchange): Promise<void>
  /** A core did not refuse the caller's credentials. */
  proven(exchange: Exchange): void
}

/** What Cloudflare's binding for rate limits does. */
type Counter = { limit(options: { readonly key: string }): Promise<{ readonly success: boolean }> }

export const createLimits = (limiters: Readonly<Record<'public' | 'caller' | 'server', Counter>>): Limits => {
  const proven = new Set<string>()
  return {
    caller: async (exchange) => {
      const { principal } = exchange
      if (principal.kind === 'player') return take(limiters.caller, principal.playerId)
      if (!isBackend(exchange)) return take(limiters.public, networkOfCaller(exchange))
      const key = keyOf(exchange)
      if (!proven.has(key)) await take(limiters.public, networkOfCaller(exchange))
      await take(limiters.server, key)
    },
    address: (exchange) => take(limiters.public, networkOfCaller(exchange)),
    proven: (exchange) => {
      if (!isBackend(exchange)) return
      if (proven.size >= provenMax) proven.clear()
      proven.add(keyOf(exchange))
    },
  }
}

const isBackend = ({ principal }: Exchange) => principal.kind === 'server' || principal.kind === 'operator'

const keyOf = ({ headers }: Exchange) => headers.get('authorization') ?? ''

/** By the network: a customer of IPv6 has more addresses than there are requests. */
const networkOfCaller = ({ headers }: Exchange) => networkOf(headers.get('cf-connecting-ip') ?? 'unknown')

const take = async (limiter: Counter, key: string) => {
  const { success } = await limiter.limit({ key })
  if (!success) throw new Fault('too_many_requests', { retryAfterMs })
}
