import { createHmac } from 'node:crypto'
import { generateKeyPair, importJWK, SignJWT } from 'jose'
import { parseNamedKeys } from '#contract/edge-request.ts'
import { newId } from '#contract/ids.ts'
import { createSecrets, decrypt } from '#core/secrets.ts'
import type { SigningKeyRow } from '#db/keys.ts'
import { cell, type World } from './harness.ts'

export const claimsOf = (token: string): Record<string, unknown> => partOf(token, 1)
export const kidOf = (token: string): unknown => partOf(token, 0).kid
const partOf = (token: string, at: number) =>
  JSON.parse(Buffer.from(token.split('.')[at] ?? '', 'base64url').toString())

export const secondsFromNow = (seconds: number) => Math.floor(Date.now() / 1_000) + seconds

export const privateKeyOf = async ({ secrets: { masterKeys } }: World, row: SigningKeyRow): Promise<CryptoKey> => {
  const secrets = createSecrets(parseNamedKeys(masterKeys))
  const key = await importJWK(JSON.parse(decrypt(secrets, 'signing-key', row.privateJwkEncrypted)), 'ES256')
  if (key instanceof Uint8Array) throw new Error('a signing key is not a symmetric one')
  return key
}

export type Forgery = { readonly header?: object; readonly claims?: object; readonly key?: CryptoKey }

/** Makes tokens like a real one. */
export type Forger = {
  /** Signed with the world's own key, except for what is given; a claim that is given as undefined is left out. */
  sign(forgery?: Forgery): Promise<string>
  /** With this header, and as third part whatever `mac` makes of the first two. */
  assemble(header: object, mac: (input: string) => string): string
}

/** @param row the key that signs, of which the token need not be */
export const createForger = (world: World, token: string, row: SigningKeyRow): Forger => {
  const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const own = privateKeyOf(world, row)
  return {
    sign: async ({ header = {}, claims = {}, key } = {}) =>
      new SignJWT(JSON.parse(JSON.stringify({ ...claimsOf(token), ...claims })))
        .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: row.keyId, ...header })
        .sign(key ?? (await own)),
    assemble: (header, mac) => {
      const input = `${encode(header)}.${encode(claimsOf(token))}`
      return `${input}.${mac(input)}`
    },
  }
}

/** Tokens that must be refused, by what is wrong with them; each is made like one that the forger's key signs. */
export const createForgeries = async () => {
  const [own, rsa] = await Promise.all([generateKeyPair('ES256'), generateKeyPair('RS256')])
  const withHmac = ({ assemble }: Forger, { keyId: kid, publicJwk }: SigningKeyRow) =>
    assemble({ alg: 'HS256', typ: 'JWT', kid }, (input) =>
      createHmac('sha256', JSON.stringify(publicJwk)).update(input).digest('base64url'),
    )
  return {
    none: async ({ assemble }: Forger, { keyId: kid }: SigningKeyRow) =>
      assemble({ alg: 'none', typ: 'JWT', kid }, () => ''),
    'HMAC with the public key': async (forger: Forger, row: SigningKeyRow) => withHmac(forger, row),
    'another algorithm': ({ sign }: Forger) => sign({ header: { alg: 'RS256' }, key: rsa.privateKey }),
    'another key': ({ sign }: Forger) => sign({ key: own.privateKey }),
    'unknown key': async (forger: Forger) => (await makeUnknown(forger, 1))[0] ?? '',
    expired: ({ sign }: Forger) => sign({ claims: { exp: secondsFromNow(-10) } }),
    'another audience': ({ sign }: Forger) => sign({ claims: { aud: 'another' } }),
    'another issuer': ({ sign }: Forger) => sign({ claims: { iss: 'https://evil.example' } }),
  } as const
}

/** So many tokens, each of a key of its own that no document has. */
export const makeUnknown = async ({ sign }: Forger, count: number): Promise<string[]> => {
  const { privateKey: key } = await generateKeyPair('ES256')
  const one = () => sign({ header: { kid: newId('key', cell, Date.now()) }, key })
  return Promise.all(Array.from({ length: count }, one))
}
