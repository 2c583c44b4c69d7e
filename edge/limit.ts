import { networkOf } from '#contract/network.ts'
import { Fault } from '#contract/problem.ts'
import type { Exchange } from './exchange.ts'
import type { Tally } from './tally.ts'

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

type Limiters = Readonly<Record<'public' | 'caller' | 'server', Counter>>

/** @param count counts what is refused, by the name of the limit */
export const createLimits = (limiters: Limiters, count: Tally): Limits => {
  const proven = new Set<string>()
  const take = async (name: keyof Limiters, key: string) => {
    const { success } = await limiters[name].limit({ key })
    if (success) return
    count(name)
    throw new Fault('too_many_requests', { retryAfterMs })
  }
  return {
    caller: async (exchange) => {
      const { principal } = exchange
      if (principal.kind === 'player') return take('caller', principal.playerId)
      if (!isBackend(exchange)) return take('public', networkOfCaller(exchange))
      const key = keyOf(exchange)
      if (!proven.has(key)) await take('public', networkOfCaller(exchange))
      await take('server', key)
    },
    address: (exchange) => take('public', networkOfCaller(exchange)),
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
