import { networkOf } from '#contract/network.ts'
import type { Context } from '#core/context.ts'
import { type Limiter, requireAllowance } from '#core/limiter.ts'
import type { Credential } from '#db/credentials.ts'

/** A device that starts signs in once; more than this is a client in a loop, and each sign-in leaves a session behind. */
const perCredential = { burst: 60, intervalMs: 2_000 }
/** A carrier puts thousands of players behind one address, and an event makes them come together: 600 at once, 20 a second. */
const perNetwork = { burst: 600, intervalMs: 50 }

/** What is known of where a request comes from. */
export type Caller = Pick<Context, 'now' | 'address'>

/**
 * Counts a sign-in against its credential, over all instances of the cell. Only for what nobody can guess: with an address, which
 * everybody may know, it would lock its owner out. A refused one costs nothing. @throws Fault `too_many_requests`
 */
export const limitCredential = (
  limiter: Limiter,
  { now }: Caller,
  { provider, credentialHash }: Credential,
): Promise<void> =>
  requireAllowance(limiter, { key: `sign-in:${provider}:${credentialHash}`, limit: perCredential, now })

/** Counts a sign-in against the network that it comes from, as `limitCredential`. */
export const limitNetwork = async (limiter: Limiter, { now, address }: Caller): Promise<void> => {
  if (address === undefined) return
  await requireAllowance(limiter, { key: `sign-in-from:${networkOf(address)}`, limit: perNetwork, now })
}
