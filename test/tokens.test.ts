import { createHmac } from 'node:crypto'
import { generateKeyPair } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sessionIdSchema } from '#contract/ids.ts'
import { listSigningKeys, type SigningKeyRow } from '#db/keys.ts'
import { checkedFetch } from './checked-fetch.ts'
import { eventually } from './eventually.ts'
import { claimsOf, createForger, type Forger, secondsFromNow } from './forged-tokens.ts'
import { type SignedIn, startWorld, type World } from './harness.ts'

let world: World
let player: SignedIn
let signingKey: SigningKeyRow
let forger: Forger
beforeAll(async () => {
  world = await startWorld()
  const [key] = await listSigningKeys(world.database.db)
  if (!key) throw new Error('a world has a signing key')
  signingKey = key
  player = await world.signIn()
  forger = createForger(world, player.accessToken, signingKey)
})
afterAll(() => world?.stop())

/** What the edge says to a token on a route for players. */
const present = async (token: string): Promise<[status: number, code: string | undefined]> => {
  const headers = { authorization: `Bearer ${token}` }
  const response = await checkedFetch(new Request(`${world.edgeUrl}/v1/players/me`, { headers }))
  const { code } = JSON.parse(await response.text())
  return [response.status, code]
}

test('a token that the core would have issued is accepted, also when it is put together here', async () => {
  expect(await present(player.accessToken)).toEqual([200, undefined])
  expect(await present(await forger.sign())).toEqual([200, undefined])
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
    ...['none', 'None', 'NONE', ''].map((alg) => forger.assemble({ alg, typ: 'JWT', kid }, () => '')),
    ...secrets.map((secret) =>
      forger.assemble({ alg: 'HS256', typ: 'JWT', kid }, (input) =>
        createHmac('sha256', secret).update(input).digest('base64url'),
      ),
    ),
    await forger.sign({ key: own.privateKey }),
    await forger.sign({ key: own.privateKey, header: { jwk: await crypto.subtle.exportKey('jwk', own.publicKey) } }),
    await forger.sign({ key: own.privateKey, header: { jku: 'https://evil.example/jwks.json', kid: 'evil' } }),
    await forger.sign({ key: own.privateKey, header: { kid: undefined } }),
    await forger.sign({ key: rsa.privateKey, header: { alg: 'RS256' } }),
    await forger.sign({ header: { kid: '../../keys' } }),
    await forger.sign({ header: { kid: '__proto__' } }),
    forger.assemble({ alg: 'ES256', typ: 'JWT', kid, crit: ['exp'] }, () => 'A'.repeat(86)),
    forger.assemble({ alg: 'ES256', typ: 'JWT', kid }, () => 'A'.repeat(86)),
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
    expect([claims, ...(await present(await forger.sign({ claims })))]).toEqual([claims, 401, 'token_invalid'])
  for (const ago of [7, 60, 86_400]) {
    const claims = { exp: secondsFromNow(-ago) }
    expect([ago, ...(await present(await forger.sign({ claims })))]).toEqual([ago, 401, 'token_expired'])
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
  const token = await forger.sign({
    claims: { exp: secondsFromNow(1), sid: sessionIdSchema.parse(claimsOf(player.accessToken).sid) },
  })
  expect(await present(token)).toEqual([200, undefined])
  // A second of life, and the five by which clocks may differ.
  await eventually(async () => (await present(token))[1] === 'token_expired', 9_000)
})
