import * as z from 'zod'

/** P-256: y² = x³ - 3x + b over the integers modulo p. @see https://nvlpubs.nist.gov/nistpubs/SpecialPublications/NIST.SP.800-186.pdf section 3.2.1.3 */
const p = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n
const b = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn

/**
 * 32 bytes in base64url, in the one spelling that has no bits left over. What is no such text is no number either, so the curve
 * is not asked for then. @see RFC 7518, section 6.2.1.2
 */
const coordinateSchema = z
  .string()
  .regex(/^[\w-]{42}[AEIMQUYcgkosw048]$/, { error: 'not 32 bytes in base64url', abort: true })

const numberOf = (coordinate: string): bigint => {
  const bytes = atob(coordinate.replaceAll('-', '+').replaceAll('_', '/'))
  return BigInt(`0x${Array.from(bytes, (byte) => byte.charCodeAt(0).toString(16).padStart(2, '0')).join('')}`)
}

const isOnCurve = (key: { readonly x: string; readonly y: string }): boolean => {
  const [x, y] = [numberOf(key.x), numberOf(key.y)]
  return x < p && y < p && (y * y - (x * x * x - 3n * x + b)) % p === 0n
}

/**
 * The public key of a device as a JWK with these four members and no other: what holds a `d` is a private key and is refused.
 * A pair of numbers that is no point of the curve would make signatures mean nothing.
 * @see https://www.rfc-editor.org/rfc/rfc7518#section-6.2
 */
export const deviceKeySchema = z
  .strictObject({ kty: z.literal('EC'), crv: z.literal('P-256'), x: coordinateSchema, y: coordinateSchema })
  .refine(isOnCurve, 'not a point of P-256')
  .meta({
    id: 'DeviceKey',
    description:
      'The public half of a key that never leaves the device. Binds the session: each refresh needs a `proof`.',
  })

/** `typ` of a proof: a signature that the same key makes for anything else is none. */
export const proofType = 'perigee-refresh+jwt'

/**
 * What a caller shows to have a session for their own: a refresh token, and for one that is bound to a device's key a proof, a
 * JWS in compact form (ES256, `typ` as above) over `{ rth, iat }`: base64url of the token's SHA-256, and seconds since 1970.
 */
export const refreshCredentialShape = {
  refreshToken: z.string().min(1).max(512),
  proof: z
    .string()
    .max(1_024)
    .optional()
    .meta({
      description: `JWS of type ${proofType}, for a session that is bound to a device's key; else passed over.`,
    }),
}
