import type { Link, linkEmail as route } from '#contract/links.ts'
import { Fault } from '#contract/problem.ts'
import type { InputOf } from '#contract/route.ts'
import { type Context, playerOf } from '#core/context.ts'
import { findAccount } from '#db/passwords.ts'
import { emailCredentialOf } from './credential.ts'
import { limitOwnGuesses } from './guess-limits.ts'
import { admitToLinks, link } from './link.ts'
import { weaknessOf } from './password-rules.ts'
import type { SignIn } from './sign-in.ts'

/**
 * Has an address and a password sign the caller in. Called again it answers the same, and changes no password: another one than
 * it was linked with is refused. Of two first calls at once with different passwords, the later one's stands.
 *
 * A crash between claim and password leaves an address that opens nothing and is not listed; the caller, who is signed in,
 * calls again.
 *
 * @throws Fault as `link`, `token_invalid`, `too_many_requests`, `credential_refused`, `password_weak`
 */
export const linkEmail = async (
  deps: SignIn,
  ctx: Context,
  { email, password }: InputOf<typeof route>['body'],
): Promise<Link> => {
  const { database, limiter, passwords } = deps
  const playerId = playerOf(ctx)
  await admitToLinks(limiter, ctx)
  await limitOwnGuesses(limiter, ctx, playerId)
  const credential = emailCredentialOf(email)
  const { credentialHash } = credential
  const account = await findAccount(database, credentialHash, ctx.deadlineAt)
  if (account?.owner === playerId && account.verifier !== null) {
    if (!(await passwords.verify(account.verifier, password))) throw new Fault('credential_refused')
    return link(deps, ctx, credential)
  }
  const weakness = weaknessOf({ email, password })
  if (weakness !== undefined) throw new Fault('password_weak', { detail: `the password cannot be chosen: ${weakness}` })
  // Computed first: between claim and password there is to be as little as possible.
  return link(deps, ctx, credential, await passwords.hash(password))
}
