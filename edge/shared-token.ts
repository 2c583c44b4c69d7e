import { base64url } from 'jose'
import type { GoogleIdentity, GoogleKey } from '#infra/google-identity.ts'
import type { SharedIdToken } from '#infra/id-tokens.ts'
import type { DataCentre } from './data-centre.ts'

const name = 'id-token'
const algorithm = 'AES-GCM'
/** @see https://csrc.nist.gov/pubs/sp/800/38/d/final section 8.2: what is recommended */
const ivBytes = 12

/**
 * The token by which all isolates of a data centre call the cores. It lies there sealed, since other Workers of the zone have the same
 * cache: under a key that is derived from the edge's private one, and bound to the identity. So what was left by another key or for
 * another identity is as if nothing were there, and an edge with a new key finds out at once whether Google takes it.
 */
export const createSharedToken = (options: {
  readonly dataCentre: DataCentre
  readonly identity: GoogleIdentity
  readonly key: GoogleKey
  readonly clock: () => number
}): SharedIdToken => {
  const { dataCentre, identity, key, clock } = options
  const additionalData = new TextEncoder().encode(JSON.stringify([identity.serviceAccount, identity.audience]))
  let derived: Promise<CryptoKey> | undefined
  const sealingKey = () => {
    derived ??= deriveKey(key)
    return derived
  }
  return {
    read: async () => {
      const kept = await dataCentre.read(name)
      if (!kept) return undefined
      const sealed = decode(kept.text)
      const iv = sealed.subarray(0, ivBytes)
      const parameters = { name: algorithm, iv, additionalData }
      const bytes = await crypto.subtle.decrypt(parameters, await sealingKey(), sealed.subarray(ivBytes))
      return new TextDecoder().decode(bytes)
    },
    write: async ({ token, endsAt }) => {
      const iv = crypto.getRandomValues(new Uint8Array(ivBytes))
      const parameters = { name: algorithm, iv, additionalData }
      const bytes = await crypto.subtle.encrypt(parameters, await sealingKey(), new TextEncoder().encode(token))
      const sealed = new Uint8Array(ivBytes + bytes.byteLength)
      sealed.set(iv)
      sealed.set(new Uint8Array(bytes), ivBytes)
      const now = clock()
      await dataCentre.write(name, { text: base64url.encode(sealed), at: now }, endsAt - now)
    },
  }
}

const deriveKey = async ({ d }: GoogleKey): Promise<CryptoKey> => {
  const secret = await crypto.subtle.importKey('raw', decode(d), 'HKDF', false, ['deriveKey'])
  const info = new TextEncoder().encode('perigee id-token')
  const parameters = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info }
  return crypto.subtle.deriveKey(parameters, secret, { name: algorithm, length: 256 }, false, ['encrypt', 'decrypt'])
}

/** In memory of its own, which is what the Web Crypto API takes. */
const decode = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(base64url.decode(text))
