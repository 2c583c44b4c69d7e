import { sign } from 'node:crypto'
import type { Signer } from '#core/signing-keys.ts'

/**
 * A JWT of these claims. Signed on this thread: a signature takes less than the way to another thread and back.
 * @see https://www.rfc-editor.org/rfc/rfc7515#section-3.1 and, for the form of the signature, RFC 7518, section 3.4
 */
export const signToken = ({ keyId, key }: Signer, claims: Readonly<Record<string, string | number>>): string => {
  const text = `${encode({ alg: 'ES256', typ: 'JWT', kid: keyId })}.${encode(claims)}`
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' })
  return `${text}.${signature.toString('base64url')}`
}

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
