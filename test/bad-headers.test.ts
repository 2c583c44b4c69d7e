import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { checkedFetch } from './checked-fetch.ts'
import { contentsOf } from './contents.ts'
import { startWorld } from './harness.ts'
import { problemOf } from './refusals.ts'
import { type Cast, requestOf, validCall, withHeaders } from './valid-call.ts'

let cast: Cast
let edgeUrl: string
let before: Record<string, string>
beforeAll(async () => {
  const world = await startWorld()
  cast = { world, player: await world.signIn() }
  edgeUrl = world.edgeUrl
})
afterAll(() => cast?.world.stop())
beforeEach(async () => {
  before = await contentsOf(cast.world)
})
// Of everything that is asked for here nothing may be left.
afterEach(async () => {
  expect(await contentsOf(cast.world)).toEqual(before)
})

const asPlayer = () => ({ authorization: `Bearer ${cast.player.accessToken}` })
const get = (path: string, headers: Record<string, string> = {}) =>
  new Request(edgeUrl + path, { headers: { ...asPlayer(), ...headers } })

test('credentials of a wrong form, forged or altered are refused with a code that says which', async () => {
  const { accessToken } = cast.player
  const [header, payload, signature] = accessToken.split('.')
  const none = Buffer.from('{"alg":"none"}').toString('base64url')
  const cases: [string | undefined, string][] = [
    [undefined, 'unauthenticated'],
    ['', 'unauthenticated'],
    ['Bearer', 'unauthenticated'],
    ['Bearer ', 'unauthenticated'],
    [`Basic ${accessToken}`, 'unauthenticated'],
    [accessToken, 'unauthenticated'],
    [`Bearer ${accessToken} ${accessToken}`, 'unauthenticated'],
    [`Bearer ${'a'.repeat(4_097)}`, 'unauthenticated'],
    ['Bearer a', 'token_invalid'],
    ['Bearer é.é.é', 'unauthenticated'],
    [`Bearer ${header}.${payload}.`, 'token_invalid'],
    [`Bearer ${none}.${payload}.`, 'token_invalid'],
    [`Bearer ${header}.${payload}.${signature?.replace(/^./, (char) => (char === 'A' ? 'B' : 'A'))}`, 'token_invalid'],
    [`Bearer ${header}.${payload?.slice(0, -4)}.${signature}`, 'token_invalid'],
    [`Bearer ${cast.player.refreshToken}`, 'token_invalid'],
  ]
  for (const name of ['getWallet', 'getOwnProfile', 'getProfile', 'updateOwnProfile']) {
    for (const [authorization, code] of cases) {
      const request = requestOf(edgeUrl, withHeaders(validCall(cast, name), { authorization }))
      expect([name, authorization, (await problemOf(request)).code]).toEqual([name, authorization, code])
    }
  }
  for (const key of ['', 'sk_x', 'é', 'a'.repeat(4_000), cast.world.keys.server]) {
    const request = requestOf(edgeUrl, withHeaders(validCall(cast, 'signInWithDevice'), { 'x-api-key': key }))
    expect((await problemOf(request)).code, key).toBe(key ? 'key_invalid' : 'unauthenticated')
  }
})

test('headers over 8 KiB are refused, in one or in many, and the bound is told', async () => {
  const some = {
    'perigee-consistency': 'x'.repeat(3_000),
    'if-none-match': 'x'.repeat(3_000),
    origin: 'x'.repeat(3_000),
  }
  for (const headers of [{ 'x-request-id': 'x'.repeat(8_192) }, { 'perigee-consistency': 'x'.repeat(16_000) }, some])
    expect(await problemOf(get('/v1/wallet', headers))).toMatchObject({ code: 'headers_too_large', limitBytes: 8_192 })
})

test('headers that nobody reads have no effect, however large and however many', async () => {
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`x-${at}`, 'x'.repeat(100)]))
  for (const headers of [{ 'x-one': 'x'.repeat(8_192) }, { cookie: 'x'.repeat(16_000) }, many])
    expect((await checkedFetch(get('/v1/wallet', headers))).status).toBe(200)
})

test('headers that mean something to the edge or the core have no effect when a client makes them up', async () => {
  const other = await cast.world.signIn()
  before = await contentsOf(cast.world)
  const sessionId = other.refreshToken.split('.')[1]
  const headers = {
    'perigee-principal': `player ${other.playerId} ${sessionId} 0`,
    'perigee-cell': 'us1',
    'perigee-signature': `v1 k1 ${Date.now()} ${'0'.repeat(64)}`,
    'perigee-deadline-ms': '0',
    'perigee-floor': '9007199254740991',
    'perigee-consistency': 'k1.e30=.00,,;,k1',
    'x-http-method-override': 'DELETE',
    'x-forwarded-host': 'evil.example',
    traceparent: '00-zz',
    'x-request-id': 'a b"\\',
    cookie: `playerId=${other.playerId}`,
  }
  const response = await checkedFetch(get('/v1/players/me', headers))
  expect(JSON.parse(await response.text()).id).toBe(cast.player.playerId)
  expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}\.[0-9a-z]+$/)
})
