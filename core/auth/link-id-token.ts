import type { Link } from '#contract/links.ts'
import { Fault } from '#contract/problem.ts'
import type { Context } from '#core/context.ts'
import { credentialOfIdToken, type Presented } from './id-token.ts'
import { admitToLinks, link } from './link.ts'
import type { SignIn } from './sign-in.ts'

/**
 * Has whom an issuer vouches for sign the caller in.
 * @throws Fault as `link`, `token_invalid`, `too_many_requests`; `credential_refused` for a token that is not believed;
 * `provider_unknown`; `unavailable` while the issuer's keys cannot be had
 */
export const linkIdToken = async (deps: SignIn, ctx: Context, presented: Presented): Promise<Link> => {
  await admitToLinks(deps.limiter, ctx)
  const credential = await credentialOfIdToken(deps.idTokens, ctx, presented)
  if (!credential) throw new Fault('credential_refused')
  return link(deps, ctx, credential)
}
