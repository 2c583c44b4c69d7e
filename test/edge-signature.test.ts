import { randomBytes, randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { edgeHeaders, skewMaxMs } from '#contract/edge-request.ts'
import type { PlayerId } from '#contract/ids.ts'
import { argon2id } from '#core/auth/password.ts'
import { parseConfig } from '#core/config.ts'
import { createPlatform } from '#core/platform.ts'
import { createDirectBus } from '#infra/direct-bus.ts'
import { createLog } from '#infra/log.ts'
import { createUpstash } from '#infra/upstash.ts'
import { type CoreCall, cell, signCoreCall, startWorld, type World } from './harness.ts'

let world: World
let playerId: PlayerId
beforeAll(async () => {
  world = await startWorld()
  playerId = (await world.signIn()).playerId
})
afterAll(() => world?.stop())

/** A grant with every header that a signature covers; as it is, the core carries it out. */
const grantCall = (): CoreCall => ({
  method: 'POST',
  path: `/v1/players/${playerId}/wallet/transactions?note=abc&note=def`,
  principal: { kind: 'server' },
  headers: {
    authorization: `Bearer ${world.keys.server}`,
    'idempotency-key': randomUUID(),
    [edgeHeaders.floor]: '17',
    'if-match': '"a"',
    'if-none-match': '"b"',
  },
  body: JSON.stringify({ changes: [{ currency: 'coins', amount: 1 }], reason: 'test' }),
})

/** A request as bytes on a wire: what a forger has to work with. */
type Wire = { method: string; target: string; headers: Record<string, string>; body: Uint8Array<ArrayBuffer> }

const wireOf = (call: CoreCall, edgeKeys = world.secrets.edgeKeys, signedAt = world.clock()): Wire => ({
  method: call.method,
  target: call.path,
  headers: Object.fromEntries(signCoreCall(call, edgeKeys, signedAt)),
  body: new TextEncoder().encode(call.body),
})

const send = async ({ method, target, headers, body }: Wire, app = world.platform.app) => {
  const response = await app.fetch(
    new Request(world.coreUrl + target, { method, headers, ...(body.length > 0 ? { body } : {}) }),
  )
  return {
    status: response.status,
    text: await response.text(),
    replayed: response.headers.has('idempotency-replayed'),
  }
}

const expectRefused = async (wire: Wire, why: string, app = world.platform.app) => {
  const { status, text } = await send(wire, app)
  expect([why, status, JSON.parse(text).code]).toEqual([why, 401, 'unauthenticated'])
}

/** Everything that a request could have written. */
const written = async () => {
  const [row] = await world.sql`select
    (select count(*)::int from players) as players, (select count(*)::int from sessions) as sessions,
    (select count(*)::int from credentials) as credentials, (select count(*)::int from idempotency_claims) as claims,
    (select count(*)::int from wallet_transactions) as transactions, (select count(*)::int from wallet_entries) as entries,
    (select count(*)::int from outbox) as events, (select sum(version)::text from wallets) as versions,
    (select md5(string_agg(p::text, ',' order by player_id)) from players p) as profiles`
  return row
}

let before: Awaited<ReturnType<typeof written>>
beforeEach(async () => {
  before = await written()
})

const nothingWasWritten = async () => expect(await written()).toEqual(before)

test('the request that the others are forged from is carried out as it is', async () => {
  expect(await send(wireOf(grantCall()))).toMatchObject({ status: 200, replayed: false })
})

test('every change of one byte in a signed part is refused, and writes nothing', async () => {
  const base = wireOf(grantCall())
  const idAt = base.target.indexOf(playerId)
  const queryAt = base.target.indexOf('?') + 1
  const signed = Object.keys(base.headers).filter((name) => name !== 'x-request-id')
  expect(signed.toSorted()).toEqual([
    'authorization',
    'content-type',
    'idempotency-key',
    'if-match',
    'if-none-match',
    'perigee-cell',
    'perigee-deadline-ms',
    'perigee-floor',
    'perigee-principal',
    'perigee-signature',
  ])
  const printable = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code))
  // In a target only what a URL keeps as it is: a parser would undo the rest before the core could see it.
  const plain = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789')
  const replaceAt = (text: string, at: number, char: string) => text.slice(0, at) + char + text.slice(at + 1)
  const inHeader = (name: string) =>
    fc.tuple(fc.nat((base.headers[name] ?? '').length - 1), printable).map(([at, char]): [string, Wire] => {
      const headers = { ...base.headers, [name]: replaceAt(base.headers[name] ?? '', at, char) }
      return [`${name} at ${at}: ${char}`, { ...base, headers }]
    })
  const inTarget = (from: number, to: number) =>
    fc
      .tuple(fc.integer({ min: from, max: to - 1 }), plain)
      .map(([at, char]): [string, Wire] => [
        `target at ${at}: ${char}`,
        { ...base, target: replaceAt(base.target, at, char) },
      ])
  const inBody = fc
    .tuple(fc.nat(base.body.length - 1), fc.integer({ min: 1, max: 255 }))
    .map(([at, flip]): [string, Wire] => [
      `body at ${at}: xor ${flip}`,
      { ...base, body: base.body.map((byte, index) => (index === at ? byte ^ flip : byte)) },
    ])
  const forged = fc
    .oneof(
      ...signed.map(inHeader),
      inTarget(idAt, idAt + playerId.length),
      inTarget(queryAt, base.target.length),
      inBody,
    )
    .filter(([, wire]) => JSON.stringify(wire) !== JSON.stringify(base))
  const seed = Date.now() % 2 ** 31
  await fc.assert(
    fc.asyncProperty(forged, ([why, wire]) => expectRefused(wire, why)),
    { seed, numRuns: 300 },
  )
  await nothingWasWritten()
  console.log(`forged-edge: seed ${seed}, 300 of 300 changes of one byte refused, 0 rows written`)
})

test('a signed part that is taken away, added, doubled or swapped for another request’s is refused', async () => {
  const base = wireOf(grantCall())
  const other = wireOf(grantCall())
  for (const name of Object.keys(base.headers)) {
    if (name === 'x-request-id') continue
    const { [name]: value = '', ...rest } = base.headers
    await expectRefused({ ...base, headers: rest }, `${name} taken away`)
    await expectRefused({ ...base, headers: { ...rest, [name]: `${value}, ${value}` } }, `${name} doubled`)
    if (other.headers[name] !== value) {
      await expectRefused({ ...base, headers: { ...rest, [name]: other.headers[name] ?? '' } }, `${name} swapped`)
    }
  }
  const { 'if-match': _, ...fewer } = grantCall().headers ?? {}
  const without = wireOf({ ...grantCall(), headers: fewer })
  await expectRefused({ ...without, headers: { ...without.headers, 'if-match': '"a"' } }, 'if-match added')
  await expectRefused({ ...base, target: base.target.replace(/\?.*/, '') }, 'query taken away')
  await expectRefused({ ...base, target: `${base.target}&more=1` }, 'query added')
  await expectRefused({ ...base, body: new Uint8Array() }, 'body taken away')
  await expectRefused({ ...base, body: Uint8Array.from([...base.body, 0x20]) }, 'body longer')
  await nothingWasWritten()
})

test('a principal, a cell or a method that the edge did not sign is refused, whatever it would have been allowed', async () => {
  const { playerId: owner, refreshToken } = await world.signIn()
  const sessionId = refreshToken.split('.')[1]
  before = await written()
  const path = '/v1/players/me'
  const read = wireOf({
    method: 'GET',
    path,
    principal: { kind: 'public' },
    headers: { 'idempotency-key': randomUUID() },
  })
  const asOwner = { [edgeHeaders.principal]: `player ${owner} ${sessionId} 0` }
  await expectRefused({ ...read, headers: { ...read.headers, ...asOwner } }, 'a player')
  await expectRefused({ ...read, headers: { ...read.headers, [edgeHeaders.cell]: 'us1' } }, 'a cell')
  const body = new TextEncoder().encode('{"displayName":"Eve"}')
  await expectRefused({ ...read, method: 'PATCH', body }, 'a method')
  const grant = wireOf(grantCall())
  await expectRefused({ ...grant, headers: { ...grant.headers, [edgeHeaders.cell]: 'us1' } }, 'the cell of a grant')
  await nothingWasWritten()
})

test('what no key of ours signed is refused: no signature, another secret, an unknown id, another form', async () => {
  const call = grantCall()
  const signature = wireOf(call).headers[edgeHeaders.signature] ?? ''
  const stranger = randomBytes(32).toString('base64')
  await expectRefused(wireOf(call, `k1:${stranger}`), 'the id of our key, another secret')
  await expectRefused(wireOf(call, `k9:${stranger}`), 'an unknown id')
  const altered = [
    '',
    'v1',
    signature.replace('v1', 'v2'),
    signature.toUpperCase(),
    signature.slice(0, -1),
    `${signature}0`,
    signature.replace(/[0-9a-f]{64}$/, '0'.repeat(64)),
    signature.replace(' k1 ', ' __proto__ '),
  ]
  for (const text of altered) {
    const wire = wireOf(call)
    await expectRefused({ ...wire, headers: { ...wire.headers, [edgeHeaders.signature]: text } }, `signature ${text}`)
  }
  const documents: CoreCall = { method: 'GET', path: '/internal/documents/jwks', principal: { kind: 'public' } }
  const { [edgeHeaders.signature]: _, ...unsigned } = wireOf(documents).headers
  await expectRefused({ ...wireOf(documents), headers: unsigned }, 'a document without a signature')
  await nothingWasWritten()
})

test('a signature holds for 30 s to both sides of the core’s clock, and no longer', async () => {
  const at = (offsetMs: number) => wireOf(grantCall(), world.secrets.edgeKeys, world.clock() + offsetMs)
  for (const offsetMs of [-skewMaxMs - 500, skewMaxMs + 2_000, -86_400_000, 86_400_000]) {
    await expectRefused(at(offsetMs), `signed ${offsetMs} ms from now`)
  }
  await nothingWasWritten()
  for (const offsetMs of [-skewMaxMs + 2_000, skewMaxMs - 500]) expect((await send(at(offsetMs))).status).toBe(200)
})

test('with two live keys both are accepted, and one that was taken away is not', async () => {
  const [oldKey, newKey] = [world.secrets.edgeKeys, `k2:${randomBytes(32).toString('base64')}`]
  const coreWith = (edgeKeys: string) => {
    const config = parseConfig({
      CELL: cell,
      PORT: '1',
      DATABASE_URL: world.databaseUrl,
      MASTER_KEYS: world.secrets.masterKeys,
      EDGE_KEYS: edgeKeys,
      ISSUER: world.edgeUrl,
      UPSTASH_URL: world.upstash.url,
      UPSTASH_TOKEN: 'test-token',
    })
    const store = createUpstash({ url: world.upstash.url, token: 'test-token', timeoutMs: 1_000 })
    const log = createLog({ service: 'core', cell }, () => {})
    const { database, clock } = world
    const bus = createDirectBus(() => {})
    const unused = { redis: undefined, verifyPush: undefined, idTokens: new Map(), derive: argon2id }
    const adapters = { database, bus, store, log, clock, ...unused }
    return createPlatform(config, adapters).app
  }
  const both = coreWith(`${newKey},${oldKey}`)
  for (const key of [oldKey, newKey]) expect((await send(wireOf(grantCall(), key), both)).status).toBe(200)
  before = await written()
  await expectRefused(wireOf(grantCall(), oldKey), 'a key that was taken away', coreWith(newKey))
  await expectRefused(wireOf(grantCall(), newKey), 'a key that is not there yet', coreWith(oldKey))
  await nothingWasWritten()
})

test('a grant that is replayed within the skew has no second effect, and after it is refused', async () => {
  const wire = wireOf(grantCall())
  const answers = await Promise.all(Array.from({ length: 20 }, () => send(wire)))
  expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1)
  expect(answers.filter(({ status, replayed }) => status === 200 && !replayed)).toHaveLength(1)
  const after = await written()
  expect(after?.entries).toBe(before?.entries + 1)
  expect(after?.events).toBe(before?.events + 1)
  world.clock.advance(skewMaxMs)
  before = after
  await expectRefused(wire, 'a replay after the skew')
  await nothingWasWritten()
})
