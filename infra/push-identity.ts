import { createRemoteJWKSet, errors, jwtVerify } from 'jose'

/** Google's keys for the identity tokens of service accounts. */
export const googleKeysUrl = 'https://www.googleapis.com/oauth2/v3/certs'
const issuers = ['https://accounts.google.com', 'accounts.google.com']
const keysTimeoutMs = 2_000
const clockToleranceSeconds = 30

/** Whether a bearer token is one that Google made for the pusher. Rejects when that cannot be told, as with the keys away. */
export type PushVerifier = (token: string) => Promise<boolean>

/**
 * Verifies the OpenID Connect tokens of Pub/Sub's push deliveries: RS256 by Google's keys, our audience, and the one service
 * account that the subscriptions push as.
 * @see https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions
 */
export const createPushVerifier = (options: {
  readonly audience: string
  readonly serviceAccount: string
  readonly keysUrl: string
}): PushVerifier => {
  const keys = createRemoteJWKSet(new URL(options.keysUrl), { timeoutDuration: keysTimeoutMs })
  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, keys, {
        algorithms: ['RS256'],
        issuer: issuers,
        audience: options.audience,
        clockTolerance: clockToleranceSeconds,
        requiredClaims: ['exp', 'email'],
      })
      return payload.email === options.serviceAccount && payload.email_verified === true
    } catch (error) {
      if (isOfTheToken(error)) return false
      throw error
    }
  }
}

/** Not of the keys, which may be away or broken for a while. */
const isOfTheToken = (error: unknown): boolean =>
  error instanceof errors.JOSEError &&
  !['ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID', 'ERR_JOSE_GENERIC'].includes(error.code)
