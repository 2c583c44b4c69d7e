import { randomBytes, randomUUID } from 'node:crypto'
import { serve } from '@hono/node-server'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { edgeHeaders, skewMaxMs } from '#contract/edge-request.ts'
import { argon2id } from '#core/auth/password.ts'
import { parseConfig } from '#core/config.ts'
import { createPlatform } from '#core/platform.ts'
import { createDirectBus } from '#infra/direct-bus.ts'
import { freePort } from '#infra/local/ports.ts'
import { createLog } from '#infra/log.ts'
import { createAbsentRedis } from '#infra/no-redis.ts'
import { silentTelemetry } from '#infra/telemetry.ts'
import { createUpstash } from '#infra/upstash.ts'
import { contentsOf } from '#test/contents.ts'
import type { CoreCall } from '#test/core-call.ts'
import { coreCallOf, sendWire, type Wire, wireOf } from '#test/core-wire.ts'
import { seed, sized, tell } from '#test/guarantee.ts'
import { cell, startWorld, type World } from '#test/harness.ts'
import { publishExamples } from '#test/published.ts'
import { contentExamples, makeSpareContent } from '#test/spare-content.ts'
import { makeSpareSessions } from '#test/spare-sessions.ts'
import { type Cast, table, validCall } from '#test/valid-call.ts'

const forgeries = sized({ short: 600, long: 20_000 })
const replays = sized({ short: 10, long: 200 })
const testMaxMs = sized({ short: 60_000, long: 600_000 })
/** Names of routes that a core answers. */
const coreRoutes = table.filter(([, { delivery }]) => delivery.kind !== 'local').map(([name]) => name)

let world: World
let cast: Cast
let stops: (() => unknown)[] = []
beforeAll(async () => {
  world = await startWorld({ bus: 'direct' })
  await publishExamples(world)
  stops = [() => world.stop()]
  cast = { world, player: await world.signIn(), spares: await makeSpareSessions(world, 100) }
  // Eraser and reaper change rows by themselves while it is watched who does.
  await world.platform.stop()
})
afterAll(async () => {
  for (const stop of stops.toReversed()) await stop()
})

const routeCall = (name: string): CoreCall => coreCallOf(validCall(cast, name))

/** A grant with every header that a signature covers; as it is, the core carries it out. */
const grantCall = (): CoreCall => {
  const call = routeCall('createWalletTransaction')
  const more = { [edgeHeaders.floor]: '17', 'if-match': '"a"', 'if-none-match': '"b"' }
  return { ...call, path: `${call.path}?note=abc&note=def`, headers: { ...call.headers, ...more } }
}

const send = (wire: Wire, coreUrl = world.coreUrl) => sendWire(coreUrl, wire)

const expectRefused = async (wire: Wire, why: string, coreUrl = world.coreUrl) => {
  const { status, code } = await send(wire, coreUrl)
  expect([why, status, code]).toEqual([why, 401, 'unauthenticated'])
}

let before: Awaited<ReturnType<typeof contentsOf>>
beforeEach(async () => {
  before = await contentsOf(world)
})
const nothingWasWritten = async () => expect(await contentsOf(world)).toEqual(before)

test('the request that the others are forged from is carried out as it is', async () => {
  expect(await send(wireOf(world, grantCall()))).toMatchObject({ status: 200, replayed: false })
})

/** Whether a path is that of something which a core answers to its edge. */
const isRoute = (wire: Wire): boolean => {
  const [path = ''] = wire.target.split(/[?#]/)
  const documents = { method: 'GET', path: '/internal/documents/{name}' }
  return [documents, ...table.map(([, route]) => route)].some(
    (route) => route.method === wire.method && new RegExp(`^${route.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path),
  )
}

const replaceAt = (text: string, at: number, char: string) => text.slice(0, at) + char + text.slice(at + 1)

/** Which byte of which part is changed, and into what; numbers are taken as far as there are parts and bytes. */
const changes = fc.record({
  isWhole: fc.boolean(),
  request: fc.nat(),
  part: fc.nat(),
  at: fc.nat(),
  char: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  flip: fc.integer({ min: 1, max: 255 }),
})
type Change = typeof changes extends fc.Arbitrary<infer Value> ? Value : never

/** A request with one byte of a signed part changed; the same request where that byte was so before. */
const changed = (wire: Wire, { part, at, char, flip }: Change): { readonly in: string; readonly wire: Wire } => {
  const { target, headers, body } = wire
  const signed = Object.keys(headers).filter((name) => name !== 'x-request-id')
  const parts = [...signed, 'target', 'target', ...(body.length > 0 ? ['body', 'body'] : [])]
  const name = parts[part % parts.length] ?? expect.fail('a request has parts')
  const inText = (text: string) => replaceAt(text, at % text.length, char)
  if (name === 'target') return { in: name, wire: { ...wire, target: inText(target) } }
  if (name !== 'body')
    return { in: name, wire: { ...wire, headers: { ...headers, [name]: inText(String(headers[name])) } } }
  return {
    in: name,
    wire: { ...wire, body: body.map((byte, index) => (index === at % body.length ? byte ^ flip : byte)) },
  }
}

test('every change of one byte in a signed part is refused, and writes nothing', { timeout: testMaxMs }, async () => {
  const whole = wireOf(world, grantCall())
  expect(Object.keys(whole.headers).toSorted()).toEqual([
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
    'x-request-id',
  ])
  const documents: CoreCall = { method: 'GET', path: '/internal/documents/jwks', principal: { kind: 'public' } }
  const calls = [...coreRoutes.map(routeCall), documents]
  let elsewhere = 0
  const refused = async (change: Change) => {
    // Signed just now, so that it is the change that is refused and not its age.
    const call = change.isWhole ? grantCall() : (calls[change.request % calls.length] ?? documents)
    const base = wireOf(world, call)
    const forged = changed(base, change)
    fc.pre(JSON.stringify(forged.wire) !== JSON.stringify(base))
    const { status, code } = await send(forged.wire)
    // Another path may be no route at all, or no path.
    const isElsewhere = code === 'not_found' ? !isRoute(forged.wire) : status === 400 && code === undefined
    if (isElsewhere) elsewhere++
    else expect([forged, status, code]).toEqual([forged, 401, 'unauthenticated'])
  }
  await fc.assert(fc.asyncProperty(changes, refused), { seed, numRuns: forgeries })
  await nothingWasWritten()
  expect(elsewhere).toBeLessThan(forgeries / 5)
  tell('forged-edge, one byte', { forgeries, refused: forgeries, 'of them for no route': elsewhere, 'rows written': 0 })
})

test('a signed part that is taken away, added, doubled or swapped for another request’s is refused', async () => {
  const base = wireOf(world, grantCall())
  const other = wireOf(world, grantCall())
  for (const name of Object.keys(base.headers)) {
    if (name === 'x-request-id') continue
    const { [name]: value = '', ...rest } = base.headers
    await expectRefused({ ...base, headers: rest }, `${name} taken away`)
    await expectRefused({ ...base, headers: { ...rest, [name]: `${value}, ${value}` } }, `${name} doubled`)
    await expectRefused({ ...base, headers: { ...rest, [name]: [String(value), 'x'] } }, `${name} in two lines`)
    if (other.headers[name] !== value)
      await expectRefused({ ...base, headers: { ...rest, [name]: other.headers[name] ?? '' } }, `${name} swapped`)
    const { [name]: _, ...fewer } = grantCall().headers ?? {}
    const without = wireOf(world, { ...grantCall(), headers: fewer })
    if (without.headers[name] === undefined)
      await expectRefused({ ...without, headers: { ...without.headers, [name]: value } }, `${name} added`)
  }
  await expectRefused({ ...base, target: base.target.replace(/\?.*/, '') }, 'query taken away')
  await expectRefused({ ...base, target: `${base.target}&more=1` }, 'query added')
  await expectRefused({ ...base, target: `${base.target}#more` }, 'a fragment added')
  await expectRefused({ ...base, body: new Uint8Array() }, 'body taken away')
  await expectRefused({ ...base, body: Uint8Array.from([...base.body, 0x20]) }, 'body longer')
  await expectRefused({ ...base, body: other.body.slice(0, -1) }, 'body shorter')
  await nothingWasWritten()
})

test('a principal, a cell or a method that the edge did not sign is refused, whatever it would have been allowed', async () => {
  const { playerId, refreshToken } = await world.signIn()
  const sessionId = refreshToken.split('.')[1]
  before = await contentsOf(world)
  const path = '/v1/players/me'
  const headers = { 'idempotency-key': randomUUID() }
  const read = wireOf(world, { method: 'GET', path, principal: { kind: 'public' }, headers })
  const asOwner = { [edgeHeaders.principal]: `player ${playerId} ${sessionId} 0` }
  await expectRefused({ ...read, headers: { ...read.headers, ...asOwner } }, 'a player')
  await expectRefused({ ...read, headers: { ...read.headers, [edgeHeaders.cell]: 'us1' } }, 'a cell')
  // All but the method is what a change of the profile would be.
  const change = routeCall('updateOwnProfile')
  await expectRefused({ ...wireOf(world, { ...change, method: 'GET' }), method: change.method }, 'a method')
  for (const name of coreRoutes) {
    const wire = wireOf(world, routeCall(name))
    for (const principal of ['public', 'client key_test', asOwner[edgeHeaders.principal] ?? '', 'server', 'operator'])
      if (principal !== wire.headers[edgeHeaders.principal])
        await expectRefused({ ...wire, headers: { ...wire.headers, [edgeHeaders.principal]: principal } }, name)
    await expectRefused({ ...wire, headers: { ...wire.headers, [edgeHeaders.cell]: 'us1' } }, `the cell of ${name}`)
  }
  await nothingWasWritten()
})

test('what no key of ours signed is refused: no signature, another secret, an unknown id, another form', async () => {
  const call = grantCall()
  const base = wireOf(world, call)
  const signature = String(base.headers[edgeHeaders.signature])
  const stranger = randomBytes(32).toString('base64')
  await expectRefused(wireOf(world, call, { edgeKeys: `k1:${stranger}` }), 'the id of our key, another secret')
  await expectRefused(wireOf(world, call, { edgeKeys: `k9:${stranger}` }), 'an unknown id')
  const altered = [
    '',
    'v1',
    signature.replace('v1', 'v2'),
    signature.toUpperCase(),
    `${signature}0`,
    ...[1, 2, 32, 63, 64].map((cut) => signature.slice(0, -cut)),
    signature.replace(/[0-9a-f]{64}$/, '0'.repeat(64)),
    signature.replace(' k1 ', ' __proto__ '),
    signature.replace(' k1 ', '  '),
  ]
  for (const text of altered)
    await expectRefused({ ...base, headers: { ...base.headers, [edgeHeaders.signature]: text } }, `signature ${text}`)
  for (const path of ['jwks', 'clients', 'revocations'].map((name) => `/internal/documents/${name}`)) {
    const document = wireOf(world, { method: 'GET', path, principal: { kind: 'public' } })
    const { [edgeHeaders.signature]: _, ...unsigned } = document.headers
    await expectRefused({ ...document, headers: unsigned }, `${path} without a signature`)
  }
  await nothingWasWritten()
})

test('a signature holds for 30 s to both sides of the core’s clock, and no longer', async () => {
  // A deadline counts from the signature: the longest that there is outlives it.
  const headers = { ...grantCall().headers, [edgeHeaders.deadline]: '30000' }
  const at = (offsetMs: number) => wireOf(world, { ...grantCall(), headers }, { signedAt: world.clock() + offsetMs })
  const beyond = fc.oneof(fc.integer({ min: 2_000, max: 60_000 }), fc.integer({ min: 2_000, max: 4e11 }))
  await fc.assert(
    fc.asyncProperty(beyond, fc.boolean(), async (beyondMs, isLate) => {
      const offsetMs = (isLate ? -1 : 1) * (skewMaxMs + beyondMs)
      await expectRefused(at(offsetMs), `signed ${offsetMs} ms from now`)
    }),
    { seed, numRuns: forgeries / 10 },
  )
  for (const offsetMs of [-skewMaxMs - 500, -86_400_000]) {
    const old = at(offsetMs)
    await expectRefused(old, `signed ${offsetMs} ms from now`)
    const dated = String(old.headers[edgeHeaders.signature]).replace(/ \d{13} /, ` ${world.clock()} `)
    await expectRefused({ ...old, headers: { ...old.headers, [edgeHeaders.signature]: dated } }, 'dated anew')
  }
  await nothingWasWritten()
  for (const offsetMs of [-skewMaxMs + 2_000, skewMaxMs - 500]) expect((await send(at(offsetMs))).status).toBe(200)
})

/** Another core of this world, as it is while the edges' keys are changed. */
const startCore = async (edgeKeys: string): Promise<string> => {
  const port = await freePort()
  const config = parseConfig({
    CELL: cell,
    PORT: String(port),
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
  const adapters = {
    database,
    redis: createAbsentRedis(),
    bus,
    store,
    verifyPush: undefined,
    idTokens: new Map(),
    derive: argon2id,
    log,
    telemetry: silentTelemetry,
    clock,
  }
  const server = serve({ fetch: createPlatform(config, adapters).app.fetch, port, hostname: '127.0.0.1' })
  stops.push(() => server.close())
  return `http://127.0.0.1:${port}`
}

test('with two live keys both are accepted, each under its own id, and one that was taken away is not', async () => {
  const [oldKey, newSecret] = [world.secrets.edgeKeys, randomBytes(32).toString('base64')]
  const newKey = `k2:${newSecret}`
  const both = await startCore(`${newKey},${oldKey}`)
  const signedBy = (edgeKeys: string) => wireOf(world, grantCall(), { edgeKeys })
  for (const key of [oldKey, newKey]) expect((await send(signedBy(key), both)).status).toBe(200)
  before = await contentsOf(world)
  await expectRefused(signedBy(`k1:${newSecret}`), 'the new key under the old one’s id', both)
  await expectRefused(signedBy(oldKey.replace('k1:', 'k2:')), 'the old key under the new one’s id', both)
  await expectRefused(signedBy(oldKey), 'a key that was taken away', await startCore(newKey))
  await expectRefused(signedBy(newKey), 'a key that is not there yet', await startCore(oldKey))
  await nothingWasWritten()
})

const rowsOf = (contents = '') => Number(contents.split(' ')[0])

/** A sign-in is answered with a session of its own each time, to whoever knows the device's secret; it makes no second player. */
const startsSessions = [
  'signInWithDevice',
  'signInWithEmail',
  'signInWithGoogle',
  'signInWithApple',
  'signInWithCustom',
]

/**
 * Rows that each replay may leave, or one call, beyond one: a sign-in's session; the attempt with a code that was taken, in the
 * audit log; of a batch of one its own claim beside that of its item.
 */
const extraRows: Readonly<Record<string, { readonly table: string; readonly most: number }>> = {
  ...Object.fromEntries(startsSessions.map((name) => [name, { table: 'sessions', most: Number.POSITIVE_INFINITY }])),
  createOperatorSession: { table: 'audit_log', most: Number.POSITIVE_INFINITY },
  createWalletTransactions: { table: 'idempotency_claims', most: 2 },
  // The other cells and the world are told.
  publishContent: { table: 'outbox', most: 2 },
  rollBackContent: { table: 'outbox', most: 2 },
}

/** What is published or cancelled is so once; then there is something else to be published or cancelled. */
const prepare = async (name: string): Promise<void> => {
  if (Object.hasOwn(contentExamples, name)) await makeSpareContent(world)
}

/** What has ended its own session may not end it again, what was unlinked is not there, and a code is taken once. */
const refusedReplays = ['token_invalid', 'key_invalid', 'not_found', 'credential_invalid', 'too_many_requests']

test.each(coreRoutes)('a replay of %s within the skew has no second effect, and after it is refused', async (name) => {
  await prepare(name)
  const call = routeCall(name)
  const wire = wireOf(world, call)
  const first = await send(wire)
  expect([200, 201]).toContain(first.status)
  before = await contentsOf(world)
  const answers = await Promise.all(Array.from({ length: replays }, () => send(wire)))
  const extra = extraRows[name]
  const after = await contentsOf(world)
  expect(extra ? { ...after, [extra.table]: before[extra.table] } : after).toEqual(before)
  for (const { status, text, code, replayed } of answers) {
    if (call.method === 'GET' || call.headers?.['idempotency-key'])
      expect([status, text, replayed]).toEqual([first.status, first.text, call.method !== 'GET'])
    else expect([200, ...refusedReplays]).toContain(code ?? status)
  }
  // Sent by many at once from the first, one of them has the effect.
  await prepare(name)
  const herd = wireOf(world, routeCall(name))
  before = await contentsOf(world)
  const statuses = (await Promise.all(Array.from({ length: replays }, () => send(herd)))).map(({ status }) => status)
  expect(statuses).toContain(first.status)
  for (const [of, contents] of Object.entries(await contentsOf(world)))
    expect(rowsOf(contents) - rowsOf(before[of]), `rows of ${of}`).toBeLessThanOrEqual(
      of === extra?.table ? extra.most : 1,
    )
  before = await contentsOf(world)
  world.clock.advance(skewMaxMs)
  await expectRefused(herd, 'a replay after the skew')
  await nothingWasWritten()
})

test('a write without an Idempotency-Key is known by its signature: of many replays at once one has an effect', async () => {
  const keyless = table.filter(([, { delivery: it }]) => it.kind === 'forwarded' && it.idempotencyKey === 'optional')
  expect(keyless.map(([name]) => name)).toContain('updateOwnProfile')
  for (const [name] of keyless) {
    await prepare(name)
    const { headers: { 'idempotency-key': _, ...headers } = {}, ...call } = routeCall(name)
    const wire = wireOf(world, { ...call, headers })
    const answers = await Promise.all(Array.from({ length: replays }, () => send(wire)))
    const [first, ...more] = answers.filter(({ status, replayed }) => status === 200 && !replayed)
    expect([name, more]).toEqual([name, []])
    for (const { status, text, code } of answers)
      expect([`${first?.status} ${first?.text}`, ...refusedReplays]).toContain(code ?? `${status} ${text}`)
  }
})

test('the same write without an Idempotency-Key, signed a moment later, is another one', async () => {
  const { headers: { 'idempotency-key': _, ...headers } = {}, ...call } = routeCall('updateOwnProfile')
  for (const signedAt of [world.clock(), world.clock() + 1])
    expect(await send(wireOf(world, { ...call, headers }, { signedAt }))).toMatchObject({
      status: 200,
      replayed: false,
    })
})
