import type { signInWithEmail as route, SignInAnswer } from '#contract/auth.ts'
import { Fault } from '#contract/problem.ts'
import type { InputOf } from '#contract/route.ts'
import type { Context } from '#core/context.ts'
import { requireHome } from '#core/directory.ts'
import { type Account, findAccount, replaceVerifier } from '#db/passwords.ts'
import type { ProvenCredential } from '#db/sign-in.ts'
import { emailCredentialOf } from './credential.ts'
import { limitGuesses, rememberNetwork } from './guess-limits.ts'
import { needsRehash } from './password.ts'
import { weaknessOf } from './password-rules.ts'
import { type SignIn, trySignIn } from './sign-in.ts'
import { limitNetwork } from './sign-in-limits.ts'

/** Each takes a change of the account at the same moment: a first sign-up elsewhere, a new password. */
const attemptsMax = 3

type Body = InputOf<typeof route>['body']

/**
 * Signs in by address and password; the password is checked before there is a session. Of two first sign-ins at once with
 * different passwords, the one that makes the player has set theirs, and the other is refused.
 *
 * A refusal is the same, takes the same work and asks the same of the control cell whether the address is somebody's or not.
 *
 * @throws Fault as `signIn`, but never `not_found`; `credential_invalid`; `password_weak` for one that would neither open the
 * account nor may be chosen for a new one; `too_many_requests`
 */
export const signInWithEmail = async (deps: SignIn, ctx: Context, body: Body): Promise<SignInAnswer> => {
  const { email, password, ...options } = body
  const { credentialHash } = emailCredentialOf(email)
  await limitNetwork(deps.limiter, ctx)
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const account = await findAccount(deps.database, credentialHash, ctx.deadlineAt)
    // Before the guess is counted: where it is counted is where the account's own networks are known.
    if (account) requireHome(ctx.cell, account.owner)
    await limitGuesses(deps, ctx, credentialHash)
    const proven = await prove(deps, ctx, { body, account })
    const answer = await trySignIn(deps, ctx, proven, options)
    if (answer === 'outdated') continue
    await rememberNetwork(deps, ctx, credentialHash)
    return answer
  }
  throw new Fault('unavailable', { detail: 'the account is being changed' })
}

/** @throws Fault `credential_invalid`, `password_weak`, `misdirected`, `unavailable` */
const prove = async (
  { directory, passwords }: SignIn,
  ctx: Context,
  { body, account }: { readonly body: Body; readonly account: Account | undefined },
): Promise<ProvenCredential> => {
  const { email, password, create } = body
  const credential = emailCredentialOf(email)
  const { credentialHash } = credential
  const weakness = create ? weaknessOf({ email, password }) : undefined
  // An address that was claimed for a player who was not made, or is no more, is as good as nobody's.
  if (!account?.isMade && create && weakness === undefined)
    return { ...credential, verifier: await passwords.hash(password) }

  const verifier = account?.isMade ? account.verifier : null
  if (!(await passwords.verify(verifier ?? undefined, password)) || verifier === null) {
    // Another cell may have made the player a moment ago. Asked for known addresses too, or else the trip would tell.
    const owner = await directory.find(credential, ctx)
    if (owner) requireHome(ctx.cell, owner)
    throw weakness === undefined
      ? new Fault('credential_invalid')
      : new Fault('password_weak', { detail: `the password cannot be chosen: ${weakness}` })
  }
  if (!needsRehash(verifier)) return { ...credential, verifier }
  const stronger = await passwords.hash(password)
  await replaceVerifier(ctx.db, credentialHash, { from: verifier, to: stronger, now: ctx.now })
  return { ...credential, verifier: stronger }
}
