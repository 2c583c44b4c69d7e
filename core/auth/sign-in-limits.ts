import { Fault } from '#contract/problem.ts'
import type { Context } from '#core/context.ts'
import type { Limiter } from '#core/limiter.ts'
import type { Credential } from '#db/credentials.ts'

/** A device that starts signs in once; more than this is a client in a loop, and each sign-in leaves a session behind. */
const perCredential = { burst: 60, intervalMs: 2_000 }
/** A carrier puts thousands of players behind one address, and an event makes them come together: 600 at once, 20 a second. */
const perAddress = { burst: 600, intervalMs: 50 }

/**
 * Counts a sign-in against its credential and against the network address that it comes from, over all instances of the
 * cell. A refused one costs nothing. @throws Fault `too_many_requests`
 */
export const limitSignIn = async (
  limiter: Limiter,
  { now, address }: Pick<Context, 'now' | 'address'>,
  { provider, credentialHash }: Credential,
): Promise<void> => {
  const take = async (key: string, limit: typeof perCredential) => {
    const retryAfterMs = await limiter.take(key, limit, now.getTime())
    if (retryAfterMs > 0) throw new Fault('too_many_requests', { retryAfterMs })
  }
  await take(`sign-in:${provider}:${credentialHash}`, perCredential)
  if (address !== undefined) await take(`sign-in-from:${address}`, perAddress)
}
