import type { changePassword as route } from '#contract/links.ts'
import { Fault } from '#contract/problem.ts'
import type { AnswerOf, InputOf } from '#contract/route.ts'
import { type Context, playerOf } from '#core/context.ts'
import { requireLiveSession } from '#core/principal.ts'
import { endOtherSessions } from '#core/revocation.ts'
import { listVerifiers, replaceVerifier } from '#db/passwords.ts'
import { emailCredentialOf } from './credential.ts'
import { limitOwnGuesses } from './guess-limits.ts'
import { weaknessOf } from './password-rules.ts'
import type { SignIn } from './sign-in.ts'

type Body = InputOf<typeof route>['body']

/**
 * Gives the caller's address another password, and ends all of their sessions but this one, together. Where the caller has
 * several addresses, it is the one whose password was told. Of two at once one changes it, and the other is refused.
 *
 * @throws Fault `credential_refused` for a wrong password; `password_weak`; `not_found` where no address is linked;
 * `token_invalid`, `too_many_requests`
 */
export const changePassword = async (deps: SignIn, ctx: Context, body: Body): Promise<AnswerOf<typeof route>> => {
  const { db, principal, now } = ctx
  await requireLiveSession(db, principal, now)
  const { credentialHash, verifier } = await findAddress(deps, ctx, body.password)
  const { newPassword } = body
  // Of the address only the hash is known; that is enough to see that it was chosen as the password.
  const isAddress = emailCredentialOf(newPassword).credentialHash === credentialHash
  const weakness = weaknessOf({ password: newPassword, email: isAddress ? newPassword : '' })
  if (weakness !== undefined) throw new Fault('password_weak', { detail: `the password cannot be chosen: ${weakness}` })
  const to = await deps.passwords.hash(newPassword)
  await db.transaction(async (tx) => {
    // The player's row first, as an erasure locks it before it takes the password away: else each would wait for the other.
    if (principal.kind === 'player') await endOtherSessions(tx, { ...principal, now })
    if (!(await replaceVerifier(tx, credentialHash, { from: verifier, to, now }))) throw new Fault('credential_refused')
  })
  return { changedAt: now.toISOString() }
}

/** The address that a password opens. Every look at one is a guess. @throws Fault `credential_refused`, `not_found` */
const findAddress = async ({ limiter, passwords }: SignIn, ctx: Context, password: string) => {
  const playerId = playerOf(ctx)
  const addresses = await listVerifiers(ctx.db, playerId)
  if (addresses.length === 0) throw new Fault('not_found', { detail: 'no address is linked' })
  for (const address of addresses) {
    await limitOwnGuesses(limiter, ctx, playerId)
    if (await passwords.verify(address.verifier, password)) return address
  }
  throw new Fault('credential_refused')
}
