import { Fault } from '#contract/problem.ts'
import type { Environment } from './environment.ts'
import type { Exchange } from './exchange.ts'

/** Cloudflare counts in windows of ten seconds (`period` in wrangler.toml), so that is the longest that a wait can be. */
const retryAfterMs = 10_000

/**
 * Counts a request against its caller: a player, a backend's key, else a network address.
 * The counters are those of one data centre and may run a little late: they keep a client in a loop away, they are no quota.
 *
 * @throws Fault `too_many_requests`
 */
export const limitCaller = async (limits: Environment['limits'], exchange: Exchange): Promise<void> => {
  const { principal, request } = exchange
  const { limiter, key } =
    principal.kind === 'player'
      ? { limiter: limits.caller, key: principal.playerId }
      : principal.kind === 'server' || principal.kind === 'operator'
        ? { limiter: limits.server, key: request.headers.get('authorization') ?? '' }
        : { limiter: limits.public, key: addressOf(request) }
  await take(limiter, key)
}

/** Counts a request whose credentials were refused against its address. @throws Fault `too_many_requests` */
export const limitAddress = (limits: Environment['limits'], { request }: Exchange): Promise<void> =>
  take(limits.public, addressOf(request))

const addressOf = (request: Request) => request.headers.get('cf-connecting-ip') ?? 'unknown'

const take = async (limiter: RateLimit, key: string) => {
  const { success } = await limiter.limit({ key })
  if (!success) throw new Fault('too_many_requests', { retryAfterMs })
}
