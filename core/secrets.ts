import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'
import type { NamedKey } from '#contract/edge-request.ts'

/** What the master keys are turned into; one purpose cannot be used to learn about another. */
type Purpose = 'refresh-token' | 'signing-key' | 'totp'

/** The secrets of a deployment, derived from its master keys. The first master key serves new things, all serve old ones. */
export type Secrets = {
  /** The id of the newest master key. */
  readonly newest: string
  /** 32 bytes for a purpose; undefined when that master key was taken away. */
  derive(purpose: Purpose, keyId: string): Buffer | undefined
}

export const createSecrets = (masterKeys: readonly [NamedKey, ...NamedKey[]]): Secrets => {
  const derived = new Map<string, Buffer>()
  for (const { keyId, secret } of masterKeys) {
    for (const purpose of ['refresh-token', 'signing-key', 'totp'] as const) {
      derived.set(`${purpose} ${keyId}`, Buffer.from(hkdfSync('sha256', secret, '', `perigee ${purpose}`, 32)))
    }
  }
  return { newest: masterKeys[0].keyId, derive: (purpose, keyId) => derived.get(`${purpose} ${keyId}`) }
}

const cipher = 'aes-256-gcm'
const nonceLength = 12
const tagLength = 16

/** Encrypts under the newest master key: `keyId.base64url(nonce, tag, ciphertext)`. */
export const encrypt = (secrets: Secrets, purpose: Purpose, plain: string): string => {
  const key = secrets.derive(purpose, secrets.newest)
  if (!key) throw new Error('the newest master key has no derived secret')
  const nonce = randomBytes(nonceLength)
  const encryption = createCipheriv(cipher, key, nonce)
  const ciphertext = Buffer.concat([encryption.update(plain, 'utf8'), encryption.final()])
  return `${secrets.newest}.${Buffer.concat([nonce, encryption.getAuthTag(), ciphertext]).toString('base64url')}`
}

/** The inverse of `encrypt`. @throws Error when the master key is gone or the text was changed */
export const decrypt = (secrets: Secrets, purpose: Purpose, text: string): string => {
  const [keyId = '', payload = ''] = text.split('.')
  const key = secrets.derive(purpose, keyId)
  if (!key) throw new Error(`master key ${keyId} is needed and not among MASTER_KEYS`)
  const bytes = Buffer.from(payload, 'base64url')
  const decryption = createDecipheriv(cipher, key, bytes.subarray(0, nonceLength), { authTagLength: tagLength })
  decryption.setAuthTag(bytes.subarray(nonceLength, nonceLength + tagLength))
  return decryption.update(bytes.subarray(nonceLength + tagLength), undefined, 'utf8') + decryption.final('utf8')
}

/** SHA-256 as hex: enough for keys and tokens, which are random, and for credentials, which are only looked up. */
export const sha256 = (...parts: readonly (string | Uint8Array)[]): string => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}
