import { createHash, createPublicKey, verify } from 'node:crypto'
import * as z from 'zod'
import { proofType } from '#contract/device-key.ts'
import { Fault } from '#contract/problem.ts'
import type { Db } from '#db/client.ts'
import { type DeviceKey, findDeviceKey } from '#db/sessions.ts'
import type { RefreshToken } from './refresh-token.ts'

/**
 * How far a proof's time may lie from ours. A phone that takes its time from the network is off by seconds, one that was set by
 * hand by minutes. More would help nobody: a proof is good with its own token alone, and a refusal tells the right time.
 */
export const proofSkewMs = 5 * 60_000

const proofPattern = /^([\w-]+)\.([\w-]+)\.([\w-]{86})$/
/** What is marked critical asks to be understood, and nothing is. @see RFC 7515, section 4.1.11 */
const headerSchema = z.object({ alg: z.literal('ES256'), typ: z.literal(proofType), crit: z.undefined().optional() })
const payloadSchema = z.object({ rth: z.string(), iat: z.number() })

type Presented = { readonly refreshToken: string; readonly proof: string | undefined; readonly now: Date }

/**
 * Lets pass who has the key that a session is bound to: a proof over this very token, made within five minutes of now.
 * Changes nothing, whether it is good or not, and may be shown again with its token: that gets the same successor.
 *
 * @throws Fault `refresh_proof_invalid`; `refresh_token_invalid` when there is no such session
 */
export const requireProof = async (
  db: Db,
  { sessionId }: Pick<RefreshToken, 'sessionId'>,
  presented: Presented,
): Promise<void> => {
  const key = await findDeviceKey(db, sessionId)
  if (!key) throw new Fault('refresh_token_invalid')
  const wrong = whatIsWrong(key, presented)
  if (wrong === undefined) return
  throw new Fault('refresh_proof_invalid', {
    detail: wrong,
    extras: { serverTime: presented.now.toISOString() },
  })
}

const whatIsWrong = (key: DeviceKey, { refreshToken, proof, now }: Presented): string | undefined => {
  if (proof === undefined) return 'the session is bound to a key, and there is no proof'
  const [, header = '', payload = '', signature = ''] = proofPattern.exec(proof) ?? []
  if (!headerSchema.safeParse(decode(header)).success) return `not an ES256 signature of type ${proofType}`
  if (!isSignedBy(key, `${header}.${payload}`, signature)) return 'not signed with the key of the session'
  const claims = payloadSchema.safeParse(decode(payload))
  if (!claims.success) return 'rth and iat are missing'
  const { rth, iat } = claims.data
  if (rth !== createHash('sha256').update(refreshToken).digest('base64url')) return 'rth is not of this refresh token'
  if (Math.abs(now.getTime() - iat * 1_000) > proofSkewMs) return 'iat is more than five minutes from serverTime'
  return undefined
}

/** @see RFC 7518, section 3.4, for the form of the signature */
const isSignedBy = (key: DeviceKey, text: string, signature: string): boolean =>
  verify(
    'sha256',
    Buffer.from(text),
    { key: createPublicKey({ key: { ...key }, format: 'jwk' }), dsaEncoding: 'ieee-p1363' },
    Buffer.from(signature, 'base64url'),
  )

/** Undefined for what is no JSON, which no schema above takes. */
const decode = (part: string): unknown => {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString())
  } catch {
    return undefined
  }
}
