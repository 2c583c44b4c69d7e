import { createHmac, KeyObject, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose'
import type { SigningAlgorithm } from '#infra/oidc.ts'

/** The key pair that an issuer signs with, and how it publishes it. */
type IssuerKey = { readonly privateKey: CryptoKey; readonly publicKey: CryptoKey; readonly jwk: JWK & { kid: string } }

/** What makes a token other than a good one; a claim or a member of the header that is undefined is left out. */
type Forgery = {
  readonly claims?: Readonly<Record<string, unknown>>
  readonly header?: Readonly<Record<string, unknown>>
  readonly key?: CryptoKey
}

/** An OpenID Connect issuer on this machine, which can fail in every way that a real one can. */
export type LocalOidcIssuer = {
  /** `iss` of its tokens. */
  readonly url: string
  readonly keysUrl: string
  /** How often its documents were asked for. */
  readonly fetches: { keys: number; discovery: number }
  /** What it does instead of answering well. `answer` replaces the body of both documents. */
  readonly faults: { status?: number; answer?: string; silent?: boolean; discovery?: Readonly<Record<string, unknown>> }
  /** Signs with a new key from now on; the old ones stay published unless `withdraw` is true. */
  rotate(options: { readonly withdraw: boolean }): Promise<void>
  /** An ID token for `audience`, of subject `subject-1` unless the claims say otherwise, that lives an hour. */
  token(forgery?: Forgery): Promise<string>
  /** As `token`, at once. */
  tokenNow(claims: Readonly<Record<string, unknown>>): string
  /** Tokens that nobody may believe, by what is wrong with them. */
  forgeries(): Promise<Readonly<Record<string, string>>>
  stop(): Promise<void>
}

type Options = {
  readonly audience: string
  readonly algorithm: SigningAlgorithm
  /** Milliseconds since 1970. */
  readonly clock: () => number
}

let keysMade = 0
const newKey = async (algorithm: SigningAlgorithm): Promise<IssuerKey> => {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid: `key-${++keysMade}`, alg: algorithm, use: 'sig' }
  return { privateKey, publicKey, jwk }
}

/** Starts one with one key. */
export const startOidcIssuer = async ({ audience, algorithm, clock }: Options): Promise<LocalOidcIssuer> => {
  const fetches = { keys: 0, discovery: 0 }
  const faults: LocalOidcIssuer['faults'] = {}
  let signing = await newKey(algorithm)
  let published = [signing]

  const answer = (response: ServerResponse, document: unknown) => {
    if (faults.silent) return
    response
      .writeHead(faults.status ?? 200, { 'content-type': 'application/json', 'cache-control': 'public, max-age=3600' })
      .end(faults.answer ?? JSON.stringify(document))
  }
  const server = createServer(({ url: path }, response) => {
    if (path === '/keys') {
      fetches.keys++
      answer(response, { keys: published.map(({ jwk }) => jwk) })
    } else if (path === '/.well-known/openid-configuration') {
      fetches.discovery++
      answer(response, { issuer: url, jwks_uri: keysUrl, ...faults.discovery })
    } else response.writeHead(404).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('it does not listen on a port')
  const url = `http://127.0.0.1:${address.port}`
  const keysUrl = `${url}/keys`

  const now = () => Math.floor(clock() / 1_000)
  const claims = () => ({ iss: url, aud: audience, sub: 'subject-1', iat: now(), exp: now() + 3_600 })
  const header = () => ({ alg: algorithm, kid: signing.jwk.kid, typ: 'JWT' })

  const token: LocalOidcIssuer['token'] = (forgery = {}) =>
    new SignJWT(JSON.parse(JSON.stringify({ ...claims(), ...forgery.claims })))
      .setProtectedHeader({ ...header(), ...forgery.header })
      .sign(forgery.key ?? signing.privateKey)

  /** A token whose third part is whatever `make` makes of the first two. */
  const assemble = (changes: { header?: object; claims?: object }, make: (input: string) => string): string => {
    const input = [
      { ...header(), ...changes.header },
      { ...claims(), ...changes.claims },
    ]
      .map(encode)
      .join('.')
    return `${input}.${make(input)}`
  }
  const tokenNow: LocalOidcIssuer['tokenNow'] = (changed) => {
    const key = KeyObject.from(signing.privateKey)
    const signed = (input: string) => sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
    return assemble({ claims: changed }, (input) => signed(input).toString('base64url'))
  }
  const hmac = (secret: string) =>
    assemble({ header: { alg: 'HS256' } }, (input) => createHmac('sha256', secret).update(input).digest('base64url'))

  const forgeries = async () => {
    const stranger = await newKey(algorithm)
    const swapped = await newKey(algorithm === 'RS256' ? 'ES256' : 'RS256')
    const good = await token()
    const of = (changed: Readonly<Record<string, unknown>>) => token({ claims: changed })
    return {
      'no token': 'abc',
      'algorithm none': assemble({ header: { alg: 'none' } }, () => ''),
      'HMAC with the public key as PEM': hmac(await exportSPKI(signing.publicKey)),
      'HMAC with the public key as JWK': hmac(JSON.stringify(signing.jwk)),
      'another algorithm under the known id': await token({
        key: swapped.privateKey,
        header: { alg: swapped.jwk.alg },
      }),
      'another key under the known id': await token({ key: stranger.privateKey }),
      'an unknown key': await token({ key: stranger.privateKey, header: { kid: stranger.jwk.kid } }),
      'a key that the token brings along': await token({ key: stranger.privateKey, header: { jwk: stranger.jwk } }),
      'a signature that was altered': `${good.slice(0, -8)}${good.endsWith('AAAAAAAA') ? 'BBBBBBBB' : 'AAAAAAAA'}`,
      'claims of another token': [good.split('.')[0], (await of({ sub: 'x' })).split('.')[1], good.split('.')[2]].join(
        '.',
      ),
      'another audience': await of({ aud: 'another-app' }),
      'no audience': await of({ aud: undefined }),
      'an empty list of audiences': await of({ aud: [] }),
      'another issuer': await of({ iss: 'https://evil.example' }),
      'our issuer with a slash': await of({ iss: `${url}/` }),
      'no issuer': await of({ iss: undefined }),
      expired: await of({ exp: now() - 61 }),
      'without expiry': await of({ exp: undefined }),
      'not yet valid': await of({ nbf: now() + 120 }),
      'issued in the future': await of({ iat: now() + 120 }),
      'issued more than an hour ago': await of({ iat: now() - 3_700 }),
      'without time of issue': await of({ iat: undefined }),
      'without subject': await of({ sub: undefined }),
      'an empty subject': await of({ sub: '' }),
      'a subject that is no text': await of({ sub: 1 }),
      'a subject without end': await of({ sub: 'x'.repeat(256) }),
      'an access token': await token({ header: { typ: 'at+jwt' } }),
      'a logout token': await token({ header: { typ: 'logout+jwt' } }),
    }
  }

  return {
    url,
    keysUrl,
    fetches,
    faults,
    rotate: async ({ withdraw }) => {
      signing = await newKey(algorithm)
      published = withdraw ? [signing] : [...published, signing]
    },
    token,
    tokenNow,
    forgeries,
    stop: async () => {
      server.close()
      // Whoever asked may keep a connection for the next time, or still wait for an answer.
      server.closeAllConnections()
    },
  }
}

const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url')
