import { decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose'
import { idTokenHeader } from './id-tokens.ts'
import { createIssuerKeys } from './issuer-keys.ts'

/** Google's keys for the identity tokens of service accounts. */
export const googleKeysUrl = 'https://www.googleapis.com/oauth2/v3/certs'
const issuers = ['https://accounts.google.com', 'accounts.google.com']
const clockToleranceSeconds = 30

/** Who checks the signatures of the tokens that Pub/Sub pushes with. */
export const pushVerifiers = ['core', 'platform'] as const

/** Whom to take events from. */
export type PushIdentity = {
  readonly audience: string
  readonly serviceAccount: string
  readonly keysUrl: string
  readonly verifiedBy: (typeof pushVerifiers)[number]
}

/** The headers of a push, by name. */
export type PushHeaders = (name: string) => string | undefined

/**
 * Whether a push comes with a token that Google made for the pusher. Rejects when that cannot be told, as with the keys away.
 * @see https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions
 */
export type PushVerifier = (header: PushHeaders) => Promise<boolean>

/**
 * Verifies the OpenID Connect tokens of Pub/Sub's push deliveries: RS256 by Google's keys, our audience, not expired, and the one
 * service account that the subscriptions push as. Where the platform checks the signature, the rest is still checked here.
 */
export const createPushVerifier = (identity: PushIdentity): PushVerifier =>
  identity.verifiedBy === 'platform' ? createClaimsVerifier(identity) : createTokenVerifier(identity)

const createTokenVerifier = (identity: PushIdentity): PushVerifier => {
  const { audience, keysUrl } = identity
  const [issuer = ''] = issuers
  const keys = createIssuerKeys({ issuer, keysUrl })
  return async (header) => {
    const token = tokenOf(header)
    if (token === undefined) return false
    try {
      const { payload } = await jwtVerify(token, keys, {
        algorithms: ['RS256'],
        issuer: issuers,
        audience,
        clockTolerance: clockToleranceSeconds,
        requiredClaims: ['exp', 'email'],
      })
      return isPusher(payload, identity)
    } catch (error) {
      if (error instanceof errors.JOSEError) return false
      throw error
    }
  }
}

/**
 * What Cloud Run puts in the place of a signature that it has checked. Where it has not, as of a service that lets everybody in, the
 * signature is still there.
 * @see https://cloud.google.com/run/docs/troubleshooting#signature-removed
 */
const checkedMark = 'SIGNATURE_REMOVED_BY_GOOGLE'

/**
 * Trusts that nobody reaches this process but through a front end that refuses what Google has not signed.
 *
 * It checks one header of two: beside a token in the other one, which anybody who may call the service at all has, `Authorization`
 * passes as it was sent, and could say anything.
 */
const createClaimsVerifier = (identity: PushIdentity): PushVerifier => {
  return async (header) => {
    const token = tokenOf(header)
    if (token === undefined || header(idTokenHeader) !== undefined) return false
    if (token.split('.')[2] !== checkedMark) return false
    const claims = claimsOf(token)
    return claims !== undefined && isIntended(claims, identity.audience) && isPusher(claims, identity)
  }
}

const tokenOf = (header: PushHeaders): string | undefined => /^Bearer (\S+)$/i.exec(header('authorization') ?? '')?.[1]

const claimsOf = (token: string): JWTPayload | undefined => {
  try {
    return decodeJwt(token)
  } catch {
    return undefined
  }
}

/** By whom and for whom it was made, and that its time has come and has not passed. */
const isIntended = ({ iss, aud, exp, nbf = 0 }: JWTPayload, audience: string): boolean => {
  const now = Date.now() / 1_000
  return (
    issuers.includes(iss ?? '') &&
    [aud].flat().includes(audience) &&
    typeof exp === 'number' &&
    exp > now - clockToleranceSeconds &&
    nbf <= now + clockToleranceSeconds
  )
}

const isPusher = ({ email, email_verified }: JWTPayload, { serviceAccount }: PushIdentity): boolean =>
  email === serviceAccount && email_verified === true
