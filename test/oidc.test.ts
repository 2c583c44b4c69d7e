import { createHash } from 'node:crypto'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { parseConfig } from '#core/config.ts'
import { createOidcVerifier, type OidcIssuer, type OidcVerifier, type SigningAlgorithm } from '#infra/oidc.ts'
import { type LocalOidcIssuer, startOidcIssuer } from './oidc-issuer.ts'

const audience = 'client-1'
const subject = 'subject-1'
const verified = { kind: 'verified', subject }
const refused = { kind: 'refused', reason: expect.any(String) }
/** Of `infra/issuer-keys.ts`. */
const cooldownMs = 10_000
const keysMaxAgeMs = 3_600_000

// Only what reads the time is held; what waits still waits.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})
const passes = (ms: number) => vi.setSystemTime(Date.now() + ms)

const start = async (algorithm: SigningAlgorithm = 'ES256'): Promise<LocalOidcIssuer> => {
  const issuer = await startOidcIssuer({ audience, algorithm, clock: Date.now })
  onTestFinished(issuer.stop)
  return issuer
}

const trusting = (issuer: LocalOidcIssuer, changes: Partial<OidcIssuer> = {}): OidcVerifier =>
  createOidcVerifier({
    issuers: [issuer.url],
    audiences: [audience],
    keysUrl: issuer.keysUrl,
    algorithms: ['ES256'],
    ...changes,
  })

const present = (verify: OidcVerifier, token: string, nonce?: string) => verify({ token, nonce, now: new Date() })

test.each(['RS256', 'ES256'] as const)(
  'a token of the issuer is believed, and every forgery refused: %s',
  async (algorithm) => {
    const issuer = await start(algorithm)
    const verify = trusting(issuer, { algorithms: [algorithm] })
    expect(await present(verify, await issuer.token())).toEqual(verified)
    for (const [name, token] of Object.entries(await issuer.forgeries()))
      expect([name, await present(verify, token)]).toEqual([name, refused])
  },
)

test('a token for another app is refused, whichever form its audience has', async () => {
  const issuer = await start()
  const verify = trusting(issuer, { audiences: [audience, 'client-2'] })
  for (const aud of ['client-3', '', ['client-3'], [], `${audience} `, undefined])
    expect([aud, await present(verify, await issuer.token({ claims: { aud } }))]).toEqual([aud, refused])
  for (const aud of [audience, 'client-2', [audience]])
    expect([aud, await present(verify, await issuer.token({ claims: { aud } }))]).toEqual([aud, verified])
})

test('a token for several audiences is believed only when it was issued to one of our apps', async () => {
  const issuer = await start()
  const verify = trusting(issuer)
  const aud = [audience, 'client-3']
  for (const azp of [undefined, 'client-3', '', [audience]])
    expect([azp, await present(verify, await issuer.token({ claims: { aud, azp } }))]).toEqual([azp, refused])
  expect(await present(verify, await issuer.token({ claims: { aud, azp: audience } }))).toEqual(verified)
  // As Google's on Android, for the server's client id.
  const android = await issuer.token({ claims: { aud: audience, azp: 'android-client' } })
  expect(await present(verify, android)).toEqual(verified)
})

test('an algorithm that is not the issuer’s is refused, though a key of it is published', async () => {
  const issuer = await start('RS256')
  expect(await present(trusting(issuer), await issuer.token())).toEqual(refused)
})

test('clocks may differ by a minute, and a token is an hour old at most', async () => {
  const issuer = await start()
  const verify = trusting(issuer)
  const now = Math.floor(Date.now() / 1_000)
  const day = { exp: now + 86_400 }
  const cases: readonly (readonly [object, object])[] = [
    [{ exp: now - 50 }, verified],
    [{ exp: now - 70 }, refused],
    [{ iat: now + 50 }, verified],
    [{ iat: now + 70 }, refused],
    [{ ...day, iat: now - 3_650 }, verified],
    [{ ...day, iat: now - 3_670 }, refused],
  ]
  for (const [claims, expected] of cases)
    expect([claims, await present(verify, await issuer.token({ claims: { ...claims } }))]).toEqual([claims, expected])
})

test('a nonce is met as it is or by its SHA-256, and a hash by nothing but what hashes to it', async () => {
  const issuer = await start()
  const verify = trusting(issuer)
  const nonce = 'a-nonce-of-this-sign-in'
  const hashed = createHash('sha256').update(nonce).digest('hex')
  const cases: readonly (readonly [string | undefined, string | undefined, object])[] = [
    [nonce, nonce, verified],
    [hashed, nonce, verified],
    [hashed.toUpperCase(), nonce, verified],
    [nonce, 'another-nonce-of-mine', refused],
    [hashed, 'another-nonce-of-mine', refused],
    [nonce, undefined, refused],
    [undefined, nonce, refused],
    // Whoever found the token reads this in it.
    [hashed, hashed, refused],
    [nonce, hashed, refused],
  ]
  for (const [claim, given, expected] of cases)
    expect([claim, given, await present(verify, await issuer.token({ claims: { nonce: claim } }), given)]).toEqual([
      claim,
      given,
      expected,
    ])
  expect(await present(verify, await issuer.token({ claims: { nonce: 7 } }), '7')).toEqual(refused)
})

test('a reason says what was wrong and repeats nothing of the token', async () => {
  const issuer = await start()
  const identity = await present(
    trusting(issuer),
    await issuer.token({ claims: { aud: 'secret-client', sub: 'secret' } }),
  )
  expect(identity).toEqual({ kind: 'refused', reason: expect.stringContaining('aud') })
  expect(JSON.stringify(identity)).not.toContain('secret')
})

test('a token of a new key is believed after one fetch, and one of a withdrawn key no longer', async () => {
  const issuer = await start()
  const verify = trusting(issuer)
  const old = await issuer.token()
  expect(await present(verify, old)).toEqual(verified)
  expect(issuer.fetches.keys).toBe(1)
  await issuer.rotate({ withdraw: true })
  passes(cooldownMs)
  expect(await present(verify, await issuer.token())).toEqual(verified)
  expect(issuer.fetches.keys).toBe(2)
  expect(await present(verify, old)).toEqual(refused)
})

const unknownKeys = (issuer: LocalOidcIssuer, count: number) =>
  Promise.all(Array.from({ length: count }, (_, at) => issuer.token({ header: { kid: `unknown-${at}` } })))

test('a flood of 1,000 unknown keys costs one fetch in ten seconds, at once or one after another', async () => {
  const issuer = await start()
  const verify = trusting(issuer)
  expect(await present(verify, await issuer.token())).toEqual(verified)
  const flood = await unknownKeys(issuer, 1_000)
  const floods = [
    () => Promise.all(flood.map((token) => present(verify, token))),
    async () => {
      const identities = []
      for (const token of flood) identities.push(await present(verify, token))
      return identities
    },
  ]
  for (const pour of floods) {
    passes(cooldownMs)
    issuer.fetches.keys = 0
    for (const identity of await pour()) expect(identity).toEqual(refused)
    expect(issuer.fetches.keys).toBe(1)
  }
})

test('a flood of unknown keys makes no more fetches while the issuer is away, and known keys go on', async () => {
  const issuer = await start()
  const verify = trusting(issuer)
  const good = await issuer.token()
  expect(await present(verify, good)).toEqual(verified)
  issuer.faults.status = 500
  passes(cooldownMs)
  issuer.fetches.keys = 0
  for (const token of await unknownKeys(issuer, 100)) {
    await expect(present(verify, token)).rejects.toThrow('cannot be had')
    expect(await present(verify, good)).toEqual(verified)
  }
  expect(issuer.fetches.keys).toBe(1)
})

test('with the issuer away its known keys are believed for an hour; then it cannot be told, until a second after it is back', async () => {
  const issuer = await start()
  const verify = trusting(issuer)
  const good = () => issuer.token()
  expect(await present(verify, await good())).toEqual(verified)
  issuer.faults.status = 503
  passes(keysMaxAgeMs - 1_000)
  expect(await present(verify, await good())).toEqual(verified)
  expect(issuer.fetches.keys).toBe(1)
  passes(1_000)
  for (let attempt = 0; attempt < 10; attempt++)
    await expect(present(verify, await good())).rejects.toThrow('cannot be had')
  expect(issuer.fetches.keys).toBe(2)
  delete issuer.faults.status
  passes(1_000)
  expect(await present(verify, await good())).toEqual(verified)
})

test('an issuer that is down, broken, silent or without end refuses nobody and holds nobody longer than two seconds', async () => {
  const faults: Readonly<Record<string, LocalOidcIssuer['faults']>> = {
    'an error': { status: 500 },
    'a redirection': { status: 302 },
    'no JSON': { answer: '<html>' },
    'no keys': { answer: '{}' },
    'keys that are none': { answer: '{"keys":[1]}' },
    'too much': { answer: JSON.stringify({ keys: [], padding: 'x'.repeat(65_536) }) },
    silence: { silent: true },
  }
  for (const [name, fault] of Object.entries(faults)) {
    const issuer = await start()
    Object.assign(issuer.faults, fault)
    const token = await issuer.token()
    for (const keysUrl of [issuer.keysUrl, undefined]) {
      const startedAt = performance.now()
      const verify = trusting(issuer, { keysUrl })
      const all = await Promise.allSettled([present(verify, token), present(verify, token)])
      expect([name, all.map(({ status }) => status)]).toEqual([name, ['rejected', 'rejected']])
      expect(performance.now() - startedAt).toBeLessThan(2_800)
    }
    expect([name, issuer.fetches]).toEqual([name, { keys: 1, discovery: 1 }])
  }
  const issuer = await start()
  const token = await issuer.token()
  await issuer.stop()
  await expect(present(trusting(issuer), token)).rejects.toThrow('cannot be had')
})

test('without an address the keys are found by discovery, once for all fetches', async () => {
  const issuer = await start()
  const verify = trusting(issuer, { keysUrl: undefined })
  expect(await present(verify, await issuer.token())).toEqual(verified)
  passes(keysMaxAgeMs)
  expect(await present(verify, await issuer.token())).toEqual(verified)
  expect(issuer.fetches).toEqual({ keys: 2, discovery: 1 })
})

test('a discovery document of another issuer, or with keys that anybody on the way could change, is not followed', async () => {
  for (const discovery of [
    { issuer: 'https://evil.example' },
    { issuer: undefined },
    { jwks_uri: 'http://keys.example/keys' },
    { jwks_uri: 'file:///etc/hostname' },
    { jwks_uri: 'nowhere' },
  ]) {
    const issuer = await start()
    issuer.faults.discovery = discovery
    const verify = trusting(issuer, { keysUrl: undefined })
    await expect(present(verify, await issuer.token())).rejects.toThrow('cannot be had')
    expect(issuer.fetches).toEqual({ keys: 0, discovery: 1 })
  }
})

const keyText = `k1:${Buffer.alloc(32).toString('base64')}`
const configured = (OIDC_ISSUERS: string | undefined) =>
  parseConfig({
    CELL: 'eu1',
    PORT: '1',
    DATABASE_URL: 'postgres://localhost/none',
    MASTER_KEYS: keyText,
    EDGE_KEYS: keyText,
    ISSUER: 'https://game.example',
    UPSTASH_URL: 'https://upstash.example',
    UPSTASH_TOKEN: 'token',
    OIDC_ISSUERS,
  }).OIDC_ISSUERS

test('issuers are configured by name; Google and Apple need only audiences, and nobody is trusted unasked', () => {
  expect(configured(undefined)).toEqual(new Map())
  const issuers = configured(
    JSON.stringify({
      google: { audiences: ['g'] },
      apple: { audiences: ['a'] },
      'steam-bridge': { issuer: 'https://steam.example', audiences: ['s'], algorithms: ['ES256'] },
    }),
  )
  expect(Object.fromEntries(issuers)).toEqual({
    google: {
      issuers: ['https://accounts.google.com', 'accounts.google.com'],
      audiences: ['g'],
      keysUrl: 'https://www.googleapis.com/oauth2/v3/certs',
      algorithms: ['RS256'],
    },
    apple: {
      issuers: ['https://appleid.apple.com'],
      audiences: ['a'],
      keysUrl: 'https://appleid.apple.com/auth/keys',
      algorithms: ['RS256'],
    },
    'steam-bridge': { issuers: ['https://steam.example'], audiences: ['s'], keysUrl: undefined, algorithms: ['ES256'] },
  })
})

test('a setting that is no good is refused with its name and the path in it, and without its values', () => {
  const custom = { issuer: 'https://steam.example', audiences: ['s'] }
  const cases: readonly (readonly [string, unknown])[] = [
    ['google.audiences', { google: { audiences: [] } }],
    ['google.issuer', { google: { audiences: ['g'], issuer: 'https://sesame.example' } }],
    ['apple.keysUrl', { apple: { audiences: ['g'], keysUrl: 'https://sesame.example' } }],
    ['bridge.issuer', { bridge: { ...custom, issuer: 'http://sesame.example' } }],
    ['bridge.issuer', { bridge: { audiences: ['s'] } }],
    ['bridge.keysUrl', { bridge: { ...custom, keysUrl: 'http://127.0.0.1.sesame.example' } }],
    ['bridge.audiences.0', { bridge: { ...custom, audiences: [7] } }],
    ['bridge.algorithms.0', { bridge: { ...custom, algorithms: ['HS256'] } }],
    ['bridge.algorithms', { bridge: { ...custom, algorithms: [] } }],
    ['device', { device: custom }],
    ['email', { email: custom }],
    ['Bridge', { Bridge: custom }],
  ]
  for (const [path, setting] of cases) {
    const parse = () => configured(JSON.stringify(setting))
    expect(parse).toThrow(`OIDC_ISSUERS: ${path} `)
    expect(parse).not.toThrow('sesame')
  }
  expect(() => configured('{"google": sesame')).toThrow('OIDC_ISSUERS: not JSON')
  const tooMany = Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`bridge-${at}`, custom]))
  expect(() => configured(JSON.stringify(tooMany))).toThrow('OIDC_ISSUERS: more than 16 issuers')
})
