import type { NamedKey } from '#contract/edge-request.ts'

/** Keyed hashes under the deployment's edge keys: the first key signs, every key verifies. */
export type Hmac = {
  /** The id of the key that signs, and the hash as hex. */
  sign(bytes: Uint8Array): Promise<{ keyId: string; mac: string }>
  /** Whether one of the keys made the hash. Takes as long for a wrong one as for a right one. */
  verify(keyId: string, mac: Uint8Array, bytes: Uint8Array): Promise<boolean>
}

const algorithm = { name: 'HMAC', hash: 'SHA-256' }

export const createHmac = (keys: readonly [NamedKey, ...NamedKey[]]): Hmac => {
  const imported = new Map<string, Promise<CryptoKey>>()
  const importKey = ({ keyId, secret }: NamedKey) => {
    const known = imported.get(keyId)
    if (known) return known
    const key = crypto.subtle.importKey('raw', secret, algorithm, false, ['sign', 'verify'])
    imported.set(keyId, key)
    return key
  }
  return {
    sign: async (bytes) => {
      const [newest] = keys
      const mac = new Uint8Array(await crypto.subtle.sign(algorithm, await importKey(newest), bytes))
      return { keyId: newest.keyId, mac: toHex(mac) }
    },
    verify: async (keyId, mac, bytes) => {
      const key = keys.find((known) => known.keyId === keyId)
      return key !== undefined && crypto.subtle.verify(algorithm, await importKey(key), mac, bytes)
    },
  }
}

const toHex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
