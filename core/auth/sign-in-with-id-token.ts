import type { SignInAnswer } from '#contract/auth.ts'
import { Fault } from '#contract/problem.ts'
import type { Context } from '#core/context.ts'
import { credentialOfIdToken, type Presented } from './id-token.ts'
import { type SignIn, type SignInOptions, signIn } from './sign-in.ts'
import { limitCredential, limitNetwork } from './sign-in-limits.ts'

/**
 * Signs in whom an issuer vouches for. Called again with the same token, while that lives, it signs the same player in again.
 * @throws Fault as `signIn`, `too_many_requests`; `credential_invalid` for a token that is not believed; `provider_unknown`;
 * `unavailable` while the issuer's keys cannot be had
 */
export const signInWithIdToken = async (
  deps: SignIn,
  ctx: Context,
  { provider, idToken, nonce, ...options }: Presented & SignInOptions,
): Promise<SignInAnswer> => {
  await limitNetwork(deps.limiter, ctx)
  const credential = await credentialOfIdToken(deps.idTokens, ctx, { provider, idToken, nonce })
  if (!credential) throw new Fault('credential_invalid')
  await limitCredential(deps.limiter, ctx, credential)
  return signIn(deps, ctx, credential, options)
}
