import { Fault } from '#contract/problem.ts'
import type { Context } from '#core/context.ts'
import type { Credential } from '#db/credentials.ts'
import type { Log } from '#infra/log.ts'
import type { OidcIdentity, OidcVerifier } from '#infra/oidc.ts'
import { subjectCredentialOf } from './credential.ts'

/** Issuers fetch their keys again a second after they could not. */
const retryAfterMs = 1_000

/** By the name of their issuer. */
export type IdTokens = { readonly verifiers: ReadonlyMap<string, OidcVerifier>; readonly log: Log }

/** What a client presents: the issuer's name, its token, and the nonce of this sign-in if there was one. */
export type Presented = {
  readonly provider: string
  readonly idToken: string
  readonly nonce?: string | undefined
}

/**
 * The credential that an ID token proves; undefined for a token that is not believed, of which only the log is told why.
 * @throws Fault `provider_unknown`; `unavailable` while the issuer's keys cannot be had
 */
export const credentialOfIdToken = async (
  { verifiers, log }: IdTokens,
  { now, requestId }: Pick<Context, 'now' | 'requestId'>,
  { provider, idToken, nonce }: Presented,
): Promise<Credential | undefined> => {
  const verify = verifiers.get(provider)
  if (!verify) throw new Fault('provider_unknown')
  const identity = await verify({ token: idToken, nonce, now }).catch((cause: unknown): OidcIdentity => {
    log.error('an ID token cannot be verified', cause, { requestId, provider })
    throw new Fault('unavailable', { detail: 'the keys of the issuer cannot be had', retryAfterMs, cause })
  })
  if (identity.kind === 'verified') return subjectCredentialOf(provider, identity.subject)
  log.info('an ID token was refused', { requestId, provider, reason: identity.reason })
  return undefined
}
