import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/** RFC 6238, section 5.2: what every authenticator assumes. */
const stepMs = 30_000
const digits = 6
/** As long as the SHA-1 that it keys, as RFC 4226, section 4 recommends. */
const secretBytes = 20
/** Steps before and after now that a code may be of: clocks of telephones are off, and people type slowly. */
const window = 1

const base32Alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** A new secret for an authenticator. */
export const newTotpSecret = (): Buffer => randomBytes(secretBytes)

/** The step that a moment is in, the `T` of RFC 6238. */
export const totpStepOf = (nowMs: number): number => Math.floor(nowMs / stepMs)

/** The code of a step: HOTP with SHA-1. @see RFC 4226, section 5.3 */
export const totpCode = (secret: Uint8Array, step: number): string => {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const mac = createHmac('sha1', secret).update(counter).digest()
  const offset = mac.readUInt8(mac.length - 1) & 0xf
  const number = mac.readUInt32BE(offset) & 0x7f_ff_ff_ff
  return String(number % 10 ** digits).padStart(digits, '0')
}

/** The step near now whose code this is, the latest where there are two; undefined for a wrong code. */
export const findTotpStep = (secret: Uint8Array, code: string, nowMs: number): number | undefined => {
  const now = totpStepOf(nowMs)
  const steps = Array.from({ length: 2 * window + 1 }, (_, index) => now - window + index)
  return steps.findLast((step) => isSame(totpCode(secret, step), code))
}

const isSame = (right: string, given: string) => {
  const [a, b] = [Buffer.from(right), Buffer.from(given)]
  return a.length === b.length && timingSafeEqual(a, b)
}

/** What an authenticator reads from a QR code. @see https://github.com/google/google-authenticator/wiki/Key-Uri-Format */
export const enrolmentUri = (account: string, secret: Uint8Array): string => {
  const parameters = new URLSearchParams({
    secret: base32(secret),
    issuer: 'Perigee',
    algorithm: 'SHA1',
    digits: String(digits),
    period: String(stepMs / 1_000),
  })
  return `otpauth://totp/Perigee:${encodeURIComponent(account)}?${parameters}`
}

/** RFC 4648, section 6, without padding. */
const base32 = (bytes: Uint8Array): string => {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('')
  const groups = bits.match(/.{1,5}/g) ?? []
  return groups.map((group) => base32Alphabet.charAt(Number.parseInt(group.padEnd(5, '0'), 2))).join('')
}
