import { createPrivateKey, type KeyObject } from 'node:crypto'
import { exportJWK, generateKeyPair } from 'jose'
import { type Cell, type KeyId, newId } from '#contract/ids.ts'
import type { Jwks } from '#contract/platform.ts'
import type { Db } from '#db/client.ts'
import { insertSigningKey, listSigningKeys, type SigningKeyRow } from '#db/keys.ts'
import { revocationLifeMs } from './revocation.ts'
import { decrypt, encrypt, type Secrets } from './secrets.ts'

export type Signer = { readonly keyId: KeyId; readonly key: KeyObject }

/** How long a list of keys is believed before it is read again. */
const reloadMs = 5_000
/**
 * A new key signs only after every edge has had time to learn it (an edge asks every ten seconds), unless there is no other.
 */
export const publishedBeforeUseMs = 30_000

/** Makes a key pair for access tokens and stores it, the private half encrypted. */
export const createSigningKey = async (
  db: Db,
  { secrets, cell, now }: { secrets: Secrets; cell: Cell; now: Date },
): Promise<KeyId> => {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const { x, y } = await exportJWK(publicKey)
  if (!x || !y) throw new Error('a P-256 key has two coordinates')
  const keyId = newId('key', cell, now.getTime())
  await insertSigningKey(db, {
    keyId,
    publicJwk: { kty: 'EC', crv: 'P-256', x, y },
    privateJwkEncrypted: encrypt(secrets, 'signing-key', JSON.stringify(await exportJWK(privateKey))),
    createdAt: now,
  })
  return keyId
}

/** The document that edges verify tokens with: every key that was not revoked. */
export const jwksOf = async (db: Db): Promise<Jwks> => {
  const rows = await listLive(db)
  return { keys: rows.map(({ keyId, publicJwk }) => ({ ...publicJwk, kid: keyId, alg: 'ES256', use: 'sig' })) }
}

/**
 * The key to sign with now; read again every few seconds, so that a rotation needs no restart. All who ask at once share one read.
 * The function throws Error when the deployment has no signing key.
 */
export const createSignerSource = (db: Db, secrets: Secrets): ((nowMs: number) => Promise<Signer>) => {
  const imported = new Map<KeyId, KeyObject>()
  let current: { signer: Signer; until: number } | undefined
  let loading: Promise<Signer> | undefined

  const load = async (nowMs: number): Promise<Signer> => {
    const row = signingRow(await listLive(db), nowMs)
    if (!row) throw new Error('there is no signing key; make one with: npm run keys -- create signing')
    const key = imported.get(row.keyId) ?? importPrivate(secrets, row)
    imported.set(row.keyId, key)
    const signer = { keyId: row.keyId, key }
    current = { signer, until: nowMs + reloadMs }
    return signer
  }
  return async (nowMs) => {
    if (current && current.until > nowMs) return current.signer
    // Whose deadline would it have? So however many wait, there is one.
    loading ??= load(nowMs).finally(() => {
      loading = undefined
    })
    return loading
  }
}

/**
 * When the last token that a key may have signed has expired at every edge, ms since 1970: the life of a token after the next
 * live key has taken over in every core. Infinity while there is no such key, for then this one signs, or may again.
 * @param rows every signing key, as `listSigningKeys` has them
 */
export const tokensEndAt = (rows: readonly SigningKeyRow[], keyId: KeyId): number => {
  const later = rows.slice(rows.findIndex((row) => row.keyId === keyId) + 1)
  const successor = later.find((row) => row.revokedAt === null)
  if (!successor) return Number.POSITIVE_INFINITY
  return successor.createdAt.getTime() + publishedBeforeUseMs + reloadMs + revocationLifeMs
}

const listLive = async (db: Db) => (await listSigningKeys(db)).filter((row) => row.revokedAt === null)

/** The newest key that was published long enough; else the oldest there is. */
const signingRow = (rows: readonly SigningKeyRow[], nowMs: number): SigningKeyRow | undefined =>
  rows.findLast((row) => row.createdAt.getTime() <= nowMs - publishedBeforeUseMs) ?? rows[0]

const importPrivate = (secrets: Secrets, row: SigningKeyRow): KeyObject =>
  createPrivateKey({ key: JSON.parse(decrypt(secrets, 'signing-key', row.privateJwkEncrypted)), format: 'jwk' })
