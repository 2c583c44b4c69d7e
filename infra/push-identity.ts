import { errors, jwtVerify } from 'jose'
import { createIssuerKeys } from './issuer-keys.ts'

/** Google's keys for the identity tokens of service accounts. */
export const googleKeysUrl = 'https://www.googleapis.com/oauth2/v3/certs'
const issuer = 'https://accounts.google.com'
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
  const keys = createIssuerKeys({ issuer, keysUrl: options.keysUrl })
  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, keys, {
        algorithms: ['RS256'],
        issuer: [issuer, 'accounts.google.com'],
        audience: options.audience,
        clockTolerance: clockToleranceSeconds,
        requiredClaims: ['exp', 'email'],
      })
      return payload.email === options.serviceAccount && payload.email_verified === true
    } catch (error) {
      if (error instanceof errors.JOSEError) return false
      throw error
    }
  }
}
