import { createHmac, randomUUID } from 'node:crypto'
import { generateKeyPair, importJWK, SignJWT } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseNamedKeys } from '#contract/edge-request.ts'
import { type KeyId, newId, sessionIdSchema } from '#contract/ids.ts'
import { createSecrets, decrypt } from '#core/secrets.ts'
import { createSigningKey } from '#core/signing-keys.ts'
import { listSigningKeys, type SigningKeyRow } from '#db/keys.ts'
import { checkedFetch } from './checked-fetch.ts'
import { cell, eventually, type SignedIn, startWorld, type World } from './harness.ts'

let world: World
let player: SignedIn
let signingKey: SigningKeyRow
beforeAll(async () => {
  world = await startWorld()
  const [key] = await listSigningKeys(world.database.db)
  if (!key) throw new Error('a world has a signing key')
  signingKey = key
  // The edge knows its clients by now, but no keys: nobody has come with a token.
  player = await world.signIn()
})
afterAll(() => world?.stop())

/** What the edge says to a token on a route for players. */
const present = async (token: string): Promise<[status: number, code: string | undefined]> => {
  const headers = { authorization: `Bearer ${token}` }
  const response = await checkedFetch(new Request(`${world.edgeUrl}/v1/players/me`, { headers }))
  const { code } = JSON.parse(await response.text())
  return [response.status, code]
}

const privateKeyOf = async (row: SigningKeyRow): Promise<CryptoKey> => {
  const secrets = createSecrets(parseNamedKeys(world.secrets.masterKeys))
  const key = await importJWK(JSON.parse(decrypt(secrets, 'signing-key', row.privateJwkEncrypted)), 'ES256')
  if (key instanceof Uint8Array) throw new Error('a signing key is not a symmetric one')
  return key
}

const claimsOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())

const kidOf = (token: string): unknown => JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid

const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url')
const secondsFromNow = (seconds: number) => Math.floor(Date.now() / 1_000) + seconds

type Forgery = { readonly header?: object; readonly claims?: object; readonly key?: CryptoKey }

/** A token like the core's own, except for what is given; a claim that is given as undefined is left out. */
const sign = async ({ header = {}, claims = {}, key }: Forgery = {}): Promise<string> => {
  const all = { ...claimsOf(player.accessToken), ...claims }
  return new SignJWT(JSON.parse(JSON.stringify(all)))
    .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: signingKey.keyId, ...header })
    .sign(key ?? (await privateKeyOf(signingKey)))
}

/** A token whose third part is whatever `mac` makes of the first two. */
const assemble = (header: object, mac: (input: string) => string): string => {
  const input = `${encode(header)}.${encode(claimsOf(player.accessToken))}`
  return `${input}.${mac(input)}`
}

/** Documents that the edge has asked the core for since a number of requests; nothing else is under way in between. */
const fetchesSince = (before: number) => world.coreRequests() - before

const floods = async (count: number): Promise<void> => {
  const { privateKey } = await generateKeyPair('ES256')
  const tokens = Array.from({ length: count }, () =>
    sign({ header: { kid: newId('key', cell, Date.now()) }, key: privateKey }),
  )
  for (const answer of await Promise.all((await Promise.all(tokens)).map(present)))
    expect(answer).toEqual([401, 'token_invalid'])
}

test('300 tokens of unknown keys at once make an edge that knows no keys yet ask for them once', async () => {
  const before = world.coreRequests()
  await floods(300)
  expect(fetchesSince(before)).toBe(1)
  await floods(100)
  // One more if the machine is so busy that the keys have grown old meanwhile.
  expect(fetchesSince(before)).toBeLessThanOrEqual(2)
  console.log(`unknown-kid flood: 400 tokens, ${fetchesSince(before)} document fetched`)
})

test('a token that the core would have issued is accepted, also when it is put together here', async () => {
  expect(await present(player.accessToken)).toEqual([200, undefined])
  expect(await present(await sign())).toEqual([200, undefined])
})

test('a token that names another algorithm is refused: none, HMAC with the public key, a key of its own', async () => {
  const { keyId: kid, publicJwk } = signingKey
  const own = await generateKeyPair('ES256', { extractable: true })
  const rsa = await generateKeyPair('RS256')
  const spki = Buffer.from(await crypto.subtle.exportKey('spki', own.publicKey)).toString('base64')
  const secrets = [
    JSON.stringify(publicJwk),
    Buffer.from(publicJwk.x, 'base64url'),
    Buffer.concat([Buffer.of(4), Buffer.from(publicJwk.x, 'base64url'), Buffer.from(publicJwk.y, 'base64url')]),
    `-----BEGIN PUBLIC KEY-----\n${spki}\n-----END PUBLIC KEY-----\n`,
    '',
  ]
  const tokens = [
    ...['none', 'None', 'NONE', ''].map((alg) => assemble({ alg, typ: 'JWT', kid }, () => '')),
    ...secrets.map((secret) =>
      assemble({ alg: 'HS256', typ: 'JWT', kid }, (input) =>
        createHmac('sha256', secret).update(input).digest('base64url'),
      ),
    ),
    await sign({ key: own.privateKey }),
    await sign({ key: own.privateKey, header: { jwk: await crypto.subtle.exportKey('jwk', own.publicKey) } }),
    await sign({ key: own.privateKey, header: { jku: 'https://evil.example/jwks.json', kid: 'evil' } }),
    await sign({ key: own.privateKey, header: { kid: undefined } }),
    await sign({ key: rsa.privateKey, header: { alg: 'RS256' } }),
    await sign({ header: { kid: '../../keys' } }),
    await sign({ header: { kid: '__proto__' } }),
    assemble({ alg: 'ES256', typ: 'JWT', kid, crit: ['exp'] }, () => 'A'.repeat(86)),
    assemble({ alg: 'ES256', typ: 'JWT', kid }, () => 'A'.repeat(86)),
  ]
  for (const token of tokens) expect([token, ...(await present(token))]).toEqual([token, 401, 'token_invalid'])
  console.log(`${tokens.length} of ${tokens.length} tokens of other algorithms and keys refused`)
})

test('a token of our own key is refused when it is for others, from others, of another time, or says too little', async () => {
  const wrong: Record<string, unknown>[] = [
    ...['aud', 'iss', 'sub', 'exp', 'sid', 'cell', 'epoch'].map((name) => ({ [name]: undefined })),
    ...['other', '', ['other'], 'Perigee'].map((aud) => ({ aud })),
    ...['https://evil.example', '', `${world.edgeUrl}/`].map((iss) => ({ iss })),
    ...['', 'ply_eu1_short', claimsOf(player.accessToken).sid, 7].map((sub) => ({ sub })),
    ...['', claimsOf(player.accessToken).sub].map((sid) => ({ sid })),
    ...['', 'Europe', 1].map((cell) => ({ cell })),
    ...[-1, 1.5, '0', null].map((epoch) => ({ epoch })),
    ...['tomorrow', null].map((exp) => ({ exp })),
    { nbf: secondsFromNow(60) },
  ]
  for (const claims of wrong)
    expect([claims, ...(await present(await sign({ claims })))]).toEqual([claims, 401, 'token_invalid'])
  for (const ago of [7, 60, 86_400]) {
    const claims = { exp: secondsFromNow(-ago) }
    expect([ago, ...(await present(await sign({ claims })))]).toEqual([ago, 401, 'token_expired'])
  }
  console.log(`${wrong.length + 3} of ${wrong.length + 3} tokens with wrong claims refused`)
})

test('what is no token, or was altered in any part, is refused', async () => {
  const token = player.accessToken
  const [header = '', payload = '', signature = ''] = token.split('.')
  const altered = [header, payload, signature].flatMap((part, index) =>
    [0, Math.floor(part.length / 2), part.length - 3].map((at) => {
      const parts = [header, payload, signature]
      parts[index] = part.slice(0, at) + (part[at] === 'A' ? 'B' : 'A') + part.slice(at + 1)
      return parts.join('.')
    }),
  )
  const garbage = [
    'a',
    'a.b',
    'a.b.c',
    '..',
    `${header}.${payload}`,
    `${token}.x`,
    token.slice(0, -10),
    '%00',
    'null',
    'e30.e30.e30',
  ]
  for (const text of [...altered, ...garbage])
    expect([text, ...(await present(text))]).toEqual([text, 401, 'token_invalid'])
  for (const text of ['', 'x'.repeat(4_097), 'a b']) expect(await present(text)).toEqual([401, 'unauthenticated'])
})

test('a token is for the player that it names: what was signed for one reads nothing as another', async () => {
  const other = await world.signIn()
  const own = await player.client.getOwnProfile()
  expect(own.body.id).toBe(player.playerId)
  expect((await other.client.getOwnProfile()).body.id).toBe(other.playerId)
})

test('a token that was remembered as good is refused once it has expired', async () => {
  const token = await sign({
    claims: { exp: secondsFromNow(1), sid: sessionIdSchema.parse(claimsOf(player.accessToken).sid) },
  })
  expect(await present(token)).toEqual([200, undefined])
  // A second of life, and the five by which clocks may differ.
  await eventually(async () => (await present(token))[1] === 'token_expired', 9_000)
})

test('over five changes of the signing key, with sign-ins going on, no token that the core issued is refused', async () => {
  const { db } = world.database
  const secrets = createSecrets(parseNamedKeys(world.secrets.masterKeys))
  const keyIds: KeyId[] = []
  for (let at = 0; at < 5; at++) {
    // Each in a millisecond of its own, for keys are ordered by their ids; and in an hour, so that none is used unasked.
    keyIds.push(await createSigningKey(db, { secrets, cell, now: new Date(Date.now() + 3_600_000 + at) }))
  }
  // The key that the world began with is older than all of them.
  await world.sql`update signing_keys set created_at = now() - interval '1 hour' where not key_id = any(${keyIds})`
  const rows = await listSigningKeys(db)
  const newest = rows.find(({ keyId }) => keyId === keyIds[4]) ?? signingKey
  const early = await sign({ header: { kid: newest.keyId }, key: await privateKeyOf(newest) })

  const before = world.coreRequests()
  let asked = 0
  const learntMs = await eventually(async () => {
    asked++
    await new Promise((resolve) => setTimeout(resolve, 100))
    return (await present(early))[0] === 200
  }, 15_000)
  // The last request of these is that of the accepted token itself.
  expect(fetchesSince(before) - 1).toBeLessThanOrEqual(2)
  console.log(
    `a new key is known after ${Math.round(learntMs)} ms; ${asked} tokens of it made ${fetchesSince(before) - 1} fetches`,
  )

  const issued: SignedIn[] = [player]
  const signers = new Set([kidOf(player.accessToken)])
  for (const keyId of keyIds) {
    // What half a minute does: the key has been published long enough. The core looks at its keys every five seconds.
    await world.sql`update signing_keys set created_at = now() - interval '31 s' where key_id = ${keyId}`
    for (let at = 0; at < 8; at++) {
      if (at === 4) world.clock.advance(5_001)
      const signedIn = await world.signIn()
      issued.push(signedIn)
      const kid = kidOf(signedIn.accessToken)
      signers.add(kid)
      if (at >= 4) expect(kid).toBe(keyId)
    }
    for (const { accessToken } of issued) expect(await present(accessToken)).toEqual([200, undefined])
  }
  expect(signers.size).toBe(6)
  const beforeFlood = world.coreRequests()
  await floods(300)
  expect(fetchesSince(beforeFlood)).toBeLessThanOrEqual(1)
  console.log(`jwks-rotate: ${issued.length} tokens of ${signers.size} keys, 0 refused; flood of 300: at most 1 fetch`)
})

test('a new key signs nothing before every edge has had half a minute to learn it', async () => {
  const { db } = world.database
  const secrets = createSecrets(parseNamedKeys(world.secrets.masterKeys))
  const keyId = await createSigningKey(db, { secrets, cell, now: new Date(world.clock()) })
  const signerNow = async () => {
    const call = {
      method: 'POST',
      path: '/v1/auth/device',
      principal: { kind: 'client', keyId: 'key_test' },
      body: JSON.stringify({ deviceId: randomUUID() }),
    } as const
    const { accessToken } = JSON.parse(await (await world.askCore(call)).text())
    return kidOf(accessToken)
  }
  for (const advanceMs of [0, 10_000, 10_000]) {
    world.clock.advance(advanceMs)
    expect(await signerNow()).not.toBe(keyId)
  }
  world.clock.advance(15_001)
  expect(await signerNow()).toBe(keyId)
})
