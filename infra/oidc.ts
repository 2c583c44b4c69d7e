import { createHash } from 'node:crypto'
import { errors, type JWTPayload, jwtVerify } from 'jose'
import * as z from 'zod'
import { createIssuerKeys } from './issuer-keys.ts'

/** How ID tokens may be signed: never `none`, and never by HMAC, whose key would be the public one. */
export type SigningAlgorithm = 'RS256' | 'ES256'

/** An issuer of ID tokens, pinned. */
export type OidcIssuer = {
  /** What `iss` may be, compared as text; more than one only where an issuer spells itself in two ways. */
  readonly issuers: readonly [string, ...string[]]
  /** The client ids of our own apps with this issuer. */
  readonly audiences: readonly string[]
  /** Where its keys are; undefined: as the discovery document of the first of `issuers` says. */
  readonly keysUrl: string | undefined
  readonly algorithms: readonly SigningAlgorithm[]
}

/** What somebody signs in with. */
export type PresentedToken = {
  /** A compact JWS; the caller has bounded its length. */
  readonly token: string
  /** What the client says that it gave to the issuer, as it is or hashed; undefined when it gave none. */
  readonly nonce: string | undefined
  readonly now: Date
}

/** Who the issuer says that it is, or why it is not believed; the reason is for the log and holds nothing of the token. */
export type OidcIdentity =
  | { readonly kind: 'verified'; readonly subject: string }
  | { readonly kind: 'refused'; readonly reason: string }

/** Rejects when it cannot be told, as with the issuer's keys away. */
export type OidcVerifier = (presented: PresentedToken) => Promise<OidcIdentity>

/** Self-run issuers keep time less well than Google. A minute on a life of an hour opens nothing. */
const clockToleranceSeconds = 60
/** Phones hold an ID token for up to an hour and present it again; Apple's say that they live a day. */
const tokenMaxAgeSeconds = 3_600

const claimsSchema = z.object({
  /** @see https://openid.net/specs/openid-connect-core-1_0.html#IDToken */
  sub: z.string().min(1).max(255),
  azp: z.string().optional(),
  nonce: z.string().optional(),
})

/**
 * Verifies the ID tokens of one issuer: signature by its keys, pinned issuer, audience and algorithms, not expired, issued within
 * the last hour, and the nonce of this sign-in. Any number of calls may be under way at once.
 *
 * A token that carries a nonce is of no use without it, and a nonce of none without a token that carries it.
 * @see https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
 */
export const createOidcVerifier = (issuer: OidcIssuer): OidcVerifier => {
  const { issuers, audiences, keysUrl, algorithms } = issuer
  const keys = createIssuerKeys({ issuer: issuers[0], keysUrl })
  return async ({ token, nonce, now }) => {
    try {
      const { payload, protectedHeader } = await jwtVerify(token, keys, {
        algorithms: [...algorithms],
        issuer: [...issuers],
        audience: [...audiences],
        currentDate: now,
        clockTolerance: clockToleranceSeconds,
        maxTokenAge: tokenMaxAgeSeconds,
        requiredClaims: ['sub', 'exp'],
      })
      const claims = claimsSchema.safeParse(payload)
      if (!claims.success) return refused('a claim has another form')
      // Access and logout tokens of the same issuer, which the same keys sign, have types of their own.
      if (!/^(application\/)?jwt$/i.test(protectedHeader.typ ?? 'JWT')) return refused('it is of another type')
      if (!isForOurParty(payload.aud, claims.data.azp, audiences)) return refused('it was issued to another party')
      if (!isNonceMet(claims.data.nonce, nonce)) return refused('the nonce is not the one of this sign-in')
      return { kind: 'verified', subject: claims.data.sub }
    } catch (error) {
      if (error instanceof errors.JOSEError) return refused(error.message)
      throw error
    }
  }
}

const refused = (reason: string): OidcIdentity => ({ kind: 'refused', reason })

/** With several audiences the token says whom it was issued to. With one it need not be ours: Android apps name their server. */
const isForOurParty = (aud: JWTPayload['aud'], azp: string | undefined, ours: readonly string[]): boolean =>
  typeof aud === 'string' || aud?.length === 1 || (azp !== undefined && ours.includes(azp))

/**
 * A claim that reads like a SHA-256 is met by what hashes to it alone. Whoever found a token can read its claim, and would
 * otherwise tell us just that.
 */
const isNonceMet = (claim: string | undefined, nonce: string | undefined): boolean => {
  if (claim === undefined || nonce === undefined) return claim === nonce
  if (!/^[0-9a-f]{64}$/i.test(claim)) return claim === nonce
  return claim.toLowerCase() === createHash('sha256').update(nonce).digest('hex')
}
