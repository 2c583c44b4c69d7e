import type { PlayerId } from '#contract/ids.ts'
import { networkOf } from '#contract/network.ts'
import type { KnownNetworks, Visit } from '#core/known-networks.ts'
import { type Limiter, requireAllowance } from '#core/limiter.ts'
import { sha256 } from '#core/secrets.ts'
import type { Caller } from './sign-in-limits.ts'

/** Who has forgotten which of their passwords it was tries a few at once. Then one a minute, which is no guessing. */
const perNetwork = { burst: 10, intervalMs: 60_000 }
/**
 * From all networks together that the account was never opened from: a hundred, and from then on 1,440 a day. Passwords have ten
 * characters and are none of the common ones, which are what a thousand guesses would go to.
 */
const perAccount = { burst: 100, intervalMs: 60_000 }

export type GuessLimits = { readonly limiter: Limiter; readonly knownNetworks: KnownNetworks }

/**
 * Counts a guess at the password of an address, before anything is computed, over all instances of the cell. An attacker who
 * spends the account's allowance locks out strangers: a network from which the account was opened within 30 days is not
 * counted against it. @throws Fault `too_many_requests`
 */
export const limitGuesses = async (
  { limiter, knownNetworks }: GuessLimits,
  caller: Caller,
  credentialHash: string,
): Promise<void> => {
  const { now } = caller
  const visit = visitOf(caller, credentialHash)
  // This one first: or else a network that has no guesses left would go on to spend those of all.
  const key = `guess:${sha256(credentialHash, ' ', visit.network)}`
  await requireAllowance(limiter, { key, limit: perNetwork, now })
  if (await knownNetworks.isKnown(visit)) return
  await requireAllowance(limiter, { key: `guess-at:${credentialHash}`, limit: perAccount, now })
}

/** The account was opened: from here its guesses count no longer against it. */
export const rememberNetwork = (
  { knownNetworks }: GuessLimits,
  caller: Caller,
  credentialHash: string,
): Promise<void> => knownNetworks.remember(visitOf(caller, credentialHash))

/** Counts what a signed-in player has computed of a password. Nobody else can spend it. @throws Fault `too_many_requests` */
export const limitOwnGuesses = (limiter: Limiter, { now }: Caller, playerId: PlayerId): Promise<void> =>
  requireAllowance(limiter, { key: `own-guess:${playerId}`, limit: perNetwork, now })

/** An edge that knows no address has all its callers in one network. */
const visitOf = ({ now, address = 'unknown' }: Caller, account: string): Visit => ({
  account,
  network: networkOf(address),
  now,
})
