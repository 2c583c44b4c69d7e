import { createHmac, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { PubSub } from '@google-cloud/pubsub'
import { getRequestListener } from '@hono/node-server'
import { exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { encodeMoved } from '#contract/edge-request.ts'
import { newId } from '#contract/ids.ts'
import { argon2id } from '#core/auth/password.ts'
import { parseConfig } from '#core/config.ts'
import { logRefusals } from '#core/consumer.ts'
import { createPlatform, type Platform } from '#core/platform.ts'
import { pushBytesMax } from '#core/push.ts'
import { findDeadLetters } from '#db/dead-letters.ts'
import { createDirectBus } from '#infra/direct-bus.ts'
import type { BusMessage } from '#infra/event-bus.ts'
import { freePort } from '#infra/local/ports.ts'
import { createLog } from '#infra/log.ts'
import { createAbsentRedis } from '#infra/no-redis.ts'
import { createPushVerifier, type PushIdentity } from '#infra/push-identity.ts'
import { silentTelemetry } from '#infra/telemetry.ts'
import { createUpstash, type VersionedStore } from '#infra/upstash.ts'
import { eventually } from './eventually.ts'
import { cell, startWorld, type World } from './harness.ts'
import { pubsubEmulatorHost } from './pubsub-emulator.ts'

const audience = 'https://core.example/internal/events'
const serviceAccount = 'pusher@perigee.example'
const issuer = 'https://accounts.google.com'
const projectId = 'perigee-test'
const emulatorHost = await pubsubEmulatorHost()

/** A consumer's part that is there and refuses all the same, as a bug would. */
const poison = 'player:poison'

let world: World
let keys: { signing: CryptoKey; publicKey: CryptoKey; jwk: JWK }
let keysUrl: string
let coreUrl: string
/** What the names of the pushed core's subscriptions begin with; the world's own core pulls under others. */
let prefix: string
/** Tags that the pushed core raised in Upstash. */
const raised: string[] = []
const logLines: string[] = []
const stops: (() => Promise<unknown>)[] = []

const listen = async (server: Server): Promise<string> => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // Who calls may keep a connection for the next call, the emulator among them; closing would wait for it.
  stops.push(async () => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('it does not listen on a port')
  return `http://127.0.0.1:${address.port}`
}

/** A core that is pushed to, on the world's database and Upstash. */
const createPushedCore = (options: Pick<PushIdentity, 'keysUrl'> & Partial<PushIdentity>): Platform => {
  const config = parseConfig({
    CELL: cell,
    PORT: '1',
    ROLE: 'worker',
    DATABASE_URL: world.databaseUrl,
    MASTER_KEYS: world.secrets.masterKeys,
    EDGE_KEYS: world.secrets.edgeKeys,
    ISSUER: world.edgeUrl,
    UPSTASH_URL: world.upstash.url,
    UPSTASH_TOKEN: 'test-token',
    PUBSUB_PREFIX: prefix,
  })
  const log = createLog({ service: 'core', cell }, (line) => logLines.push(line))
  const store = createUpstash({ url: world.upstash.url, token: 'test-token', timeoutMs: 1_000 })
  const raise: VersionedStore['raise'] = async (tags) => {
    if (tags.some(({ tag }) => tag.startsWith(poison))) throw new TypeError('a bug')
    await store.raise(tags)
    raised.push(...tags.map(({ tag }) => tag))
  }
  const bus = createDirectBus(logRefusals(log))
  void bus.subscribe({ topic: 'dead-letters', name: 'pusher', available: async () => {}, handle: pushLetter })
  return createPlatform(config, {
    database: world.database,
    redis: createAbsentRedis(),
    bus,
    store: { ...store, raise },
    verifyPush: createPushVerifier({ audience, serviceAccount, verifiedBy: 'core', ...options }),
    idTokens: new Map(),
    derive: argon2id,
    log,
    telemetry: silentTelemetry,
    clock: world.clock,
  })
}

/** Pushes a dead letter to the core, as Pub/Sub would. */
const pushLetter = async ({ attributes, data }: BusMessage): Promise<void> => {
  const message = { attributes, data: Buffer.from(data).toString('base64') }
  const status = await push(JSON.stringify({ message, subscription: subscriptionOf('dead-letters') }), await tokenOf())
  if (status !== 204) throw new Error(`the dead letter was answered with ${status}`)
}

const subscriptionOf = (consumer: string) => `projects/${projectId}/subscriptions/${prefix}-${cell}-${consumer}`

beforeAll(async () => {
  world = await startWorld()
  prefix = `p${world.prefix}`
  const { privateKey: signing, publicKey } = await generateKeyPair('RS256', { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid: 'google-1', alg: 'RS256', use: 'sig' }
  keys = { signing, publicKey, jwk }
  keysUrl = await listen(answering(200, JSON.stringify({ keys: [jwk] })))
  coreUrl = await listen(createServer(getRequestListener(createPushedCore({ keysUrl }).app.fetch)))
})
afterAll(async () => {
  for (const stop of stops.toReversed()) await stop()
  await world?.stop()
})

const answering = (status: number, body: string): Server =>
  createServer((_, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(body)
  })

const now = () => Math.floor(Date.now() / 1_000)
const claims = () => ({
  iss: issuer,
  aud: audience,
  sub: '1',
  email: serviceAccount,
  email_verified: true,
  iat: now(),
  exp: now() + 600,
})

type Forgery = {
  readonly claims?: Readonly<Record<string, unknown>>
  readonly header?: Readonly<Record<string, unknown>>
  readonly key?: CryptoKey
}

/** A token like Google's, except for what is given; a claim that is given as undefined is left out. */
const tokenOf = (forgery: Forgery = {}): Promise<string> =>
  new SignJWT(JSON.parse(JSON.stringify({ ...claims(), ...forgery.claims })))
    .setProtectedHeader({ alg: 'RS256', kid: 'google-1', typ: 'JWT', ...forgery.header })
    .sign(forgery.key ?? keys.signing)

const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url')

/** A token whose third part is whatever `mac` makes of the first two. */
const assemble = (header: object, mac: (input: string) => string): string => {
  const input = `${encode({ kid: 'google-1', typ: 'JWT', ...header })}.${encode(claims())}`
  return `${input}.${mac(input)}`
}

/** An event that moves a tag of its own, in the envelope of a push. */
const newPush = (options: { attempt?: number; tagStart?: string } = {}) => {
  const tag = `${options.tagStart ?? 'player:'}${randomUUID()}`
  const eventId = newId('event', cell, Date.now())
  const envelope = {
    message: {
      attributes: { 'ce-id': eventId, 'ce-moved': encodeMoved([{ tag, version: 7 }]) },
      data: Buffer.from('{}').toString('base64'),
      messageId: '1',
      message_id: '1',
      publishTime: new Date().toISOString(),
      orderingKey: tag,
    },
    subscription: subscriptionOf('invalidate'),
    deliveryAttempt: options.attempt ?? 1,
  }
  return { tag, eventId, envelope }
}

const versionOf = async (tag: string): Promise<number | null> => {
  const store = createUpstash({ url: world.upstash.url, token: 'test-token', timeoutMs: 1_000 })
  return (await store.lookUp('nothing', tag)).version
}

const push = async (body: string | ReadableStream<Uint8Array>, token: string | undefined): Promise<number> => {
  const response = await fetch(`${coreUrl}/internal/events`, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
  })
  await response.arrayBuffer()
  return response.status
}

test('a pushed event reaches its consumer and is answered with 204, also when it comes twice', async () => {
  const { tag, envelope } = newPush()
  expect(await push(JSON.stringify(envelope), await tokenOf())).toBe(204)
  expect(await versionOf(tag)).toBe(7)
  expect(await push(JSON.stringify(envelope), await tokenOf({ claims: { iss: 'accounts.google.com' } }))).toBe(204)
  expect(await versionOf(tag)).toBe(7)
})

const pushesNothing = async (forgeries: Readonly<Record<string, string | undefined>>): Promise<void> => {
  for (const [name, token] of Object.entries(forgeries)) {
    const { tag, envelope } = newPush()
    expect([name, await push(JSON.stringify(envelope), token)]).toEqual([name, 401])
    expect([name, await versionOf(tag)]).toEqual([name, null])
  }
}

test('a token for another audience pushes nothing', async () => {
  const audiences = { other: 'https://other.example', empty: '', none: undefined, list: ['https://other.example'] }
  for (const [name, aud] of Object.entries(audiences))
    await pushesNothing({ [name]: await tokenOf({ claims: { aud } }) })
})

test('a token of another service account pushes nothing', async () => {
  const emails = ['intruder@perigee.example', '', undefined, `${serviceAccount}.evil.example`, [serviceAccount]]
  for (const email of emails) await pushesNothing({ [String(email)]: await tokenOf({ claims: { email } }) })
})

test('a token whose address Google has not verified pushes nothing', async () => {
  for (const email_verified of [false, undefined, 'true', 1])
    await pushesNothing({ [String(email_verified)]: await tokenOf({ claims: { email_verified } }) })
})

test('no token, an old one, one of another issuer, algorithm or key pushes nothing', async () => {
  const stranger = await generateKeyPair('RS256')
  const elliptic = await generateKeyPair('ES256')
  const hmac = (secret: string) =>
    assemble({ alg: 'HS256' }, (input) => createHmac('sha256', secret).update(input).digest('base64url'))
  const good = await tokenOf()
  await pushesNothing({
    'no token': undefined,
    'no JWT': 'abc',
    expired: await tokenOf({ claims: { exp: now() - 60 } }),
    'without expiry': await tokenOf({ claims: { exp: undefined } }),
    'not yet valid': await tokenOf({ claims: { nbf: now() + 600 } }),
    'another issuer': await tokenOf({ claims: { iss: 'https://evil.example' } }),
    'no issuer': await tokenOf({ claims: { iss: undefined } }),
    'algorithm none': assemble({ alg: 'none' }, () => ''),
    'HMAC with the public key as PEM': hmac(await exportSPKI(keys.publicKey)),
    'HMAC with the public key as JWK': hmac(JSON.stringify(keys.jwk)),
    'a key of its own under our id': await tokenOf({ key: stranger.privateKey }),
    'an unknown key': await tokenOf({ key: stranger.privateKey, header: { kid: 'google-2' } }),
    'another algorithm': await tokenOf({ key: elliptic.privateKey, header: { alg: 'ES256' } }),
    altered: `${good.slice(0, -8)}${good.endsWith('AAAAAAAA') ? 'BBBBBBBB' : 'AAAAAAAA'}`,
  })
})

/** A core on a platform that has checked the signature: nobody publishes keys for it. */
const pushChecked = async (headers: Readonly<Record<string, string>>): Promise<{ status: number; tag: string }> => {
  const { tag, envelope } = newPush()
  const { app } = createPushedCore({ keysUrl: 'http://127.0.0.1:1', verifiedBy: 'platform' })
  const { status } = await app.request('/internal/events', { method: 'POST', body: JSON.stringify(envelope), headers })
  return { status, tag }
}

/** What becomes of a token's signature on Cloud Run. */
const strippedOf = (token: string): string => `${token.split('.').slice(0, 2).join('.')}.SIGNATURE_REMOVED_BY_GOOGLE`

test('where the platform has checked the signature, a push of Pub/Sub’s own account reaches its consumer without one', async () => {
  const tokens = [{}, { aud: [audience] }, { iss: 'accounts.google.com' }].map((claims) => tokenOf({ claims }))
  for (const token of await Promise.all(tokens)) {
    const { status, tag } = await pushChecked({ authorization: `bearer ${strippedOf(token)}` })
    expect(status).toBe(204)
    expect(await versionOf(tag)).toBe(7)
  }
})

test('where the platform is to check it, a signature that is still there was checked by nobody, and pushes nothing', async () => {
  const good = await tokenOf()
  for (const token of [good, strippedOf(good).replace('REMOVED', 'KEPT'), good.split('.').slice(0, 2).join('.')]) {
    const { status, tag } = await pushChecked({ authorization: `Bearer ${token}` })
    expect(status).toBe(401)
    expect(await versionOf(tag)).toBe(null)
  }
})

test('beside a token that lets its caller in, what Authorization says was checked by nobody, and pushes nothing', async () => {
  const { status, tag } = await pushChecked({
    authorization: `Bearer ${strippedOf(await tokenOf())}`,
    'x-serverless-authorization': `bearer ${strippedOf(await tokenOf({ claims: { email: 'edge@perigee.example' } }))}`,
  })
  expect(status).toBe(401)
  expect(await versionOf(tag)).toBe(null)
})

test('where the platform has checked the signature, what the token says is still for the core to check', async () => {
  const wrong = {
    'another audience': { aud: 'https://other.example' },
    'no audience': { aud: undefined },
    'another account': { email: 'intruder@perigee.example' },
    'an address that is not verified': { email_verified: false },
    'another issuer': { iss: 'https://evil.example' },
    'no issuer': { iss: undefined },
    expired: { exp: now() - 60 },
    'without expiry': { exp: undefined },
    'not yet valid': { nbf: now() + 600 },
  }
  for (const [name, claims] of Object.entries(wrong)) {
    const { status } = await pushChecked({ authorization: `Bearer ${strippedOf(await tokenOf({ claims }))}` })
    expect([name, status]).toEqual([name, 401])
  }
  const nothing = { none: {}, garbage: { authorization: 'Bearer a.b.SIGNATURE_REMOVED_BY_GOOGLE' } }
  for (const [name, headers] of Object.entries(nothing))
    expect([name, (await pushChecked(headers)).status]).toEqual([name, 401])
})

test('a body that is no envelope is 400, and a subscription that is not ours 404', async () => {
  const token = await tokenOf()
  const { envelope } = newPush()
  const { message } = envelope
  for (const text of [
    '',
    '{',
    'null',
    '[]',
    '{}',
    JSON.stringify({ message }),
    JSON.stringify({ ...envelope, message: 1 }),
  ])
    expect([text, await push(text, token)]).toEqual([text, 400])
  expect(await push(JSON.stringify({ ...envelope, message: { ...message, data: '%' } }), token)).toBe(400)
  for (const name of ['other', `${prefix}-${cell}-`, `x${prefix}-${cell}-invalidate`])
    expect([
      name,
      await push(JSON.stringify({ ...envelope, subscription: `projects/p/subscriptions/${name}` }), token),
    ]).toEqual([name, 404])
})

/** A body that is sent in chunks, without its length. */
const chunked = (text: string): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start: (controller) => {
      for (let at = 0; at < text.length; at += 8_192) controller.enqueue(Buffer.from(text.slice(at, at + 8_192)))
      controller.close()
    },
  })

test('an envelope above the bound is 413, with its length stated or in chunks, and one in chunks below it is taken', async () => {
  const token = await tokenOf()
  const { tag, envelope } = newPush()
  const tooLong = JSON.stringify({ ...envelope, padding: 'x'.repeat(pushBytesMax) })
  expect(await push(tooLong, token)).toBe(413)
  expect(await push(chunked(tooLong), token)).toBe(413)
  // Nobody else has a core read that much.
  expect(await push(tooLong, undefined)).toBe(401)
  expect(await versionOf(tag)).toBe(null)
  expect(await push(chunked(JSON.stringify(envelope)), token)).toBe(204)
  expect(await versionOf(tag)).toBe(7)
})

test('while the consumer’s own part is away a push is 503 within seconds, and no refusal, even the tenth time', async () => {
  const { tag, eventId, envelope } = newPush({ attempt: 10 })
  const token = await tokenOf()
  world.upstash.faults.down = true
  const startedAt = performance.now()
  const status = await push(JSON.stringify(envelope), token).finally(() => {
    world.upstash.faults.down = false
  })
  const tookMs = performance.now() - startedAt
  expect(status).toBe(503)
  expect(tookMs).toBeLessThan(8_000)
  expect(logLines.filter((line) => line.includes(eventId))).toEqual([])
  expect(await findDeadLetters(world.database.db, eventId)).toEqual([])
  expect(await push(JSON.stringify(envelope), token)).toBe(204)
  expect(await versionOf(tag)).toBe(7)
  console.log(`a push in an outage was answered 503 after ${Math.round(tookMs)} ms`)
})

test('what is refused comes again nine times; the tenth refusal is buried, filed, and answered with 204', async () => {
  const token = await tokenOf()
  const { eventId, envelope } = newPush({ tagStart: poison })
  for (let deliveryAttempt = 1; deliveryAttempt < 10; deliveryAttempt++) {
    const status = await push(JSON.stringify({ ...envelope, deliveryAttempt }), token)
    expect([deliveryAttempt, status]).toEqual([deliveryAttempt, 503])
  }
  expect(await findDeadLetters(world.database.db, eventId)).toEqual([])
  expect(await push(JSON.stringify({ ...envelope, deliveryAttempt: 10 }), token)).toBe(204)
  const subscription = `${prefix}-${cell}-invalidate`
  expect(await findDeadLetters(world.database.db, eventId)).toMatchObject([
    { eventId, subscription, attempts: 10, reason: 'TypeError: a bug', redrivenAt: null },
  ])
  expect(logLines.filter((line) => line.includes(eventId))).toHaveLength(10)
})

test('where Google’s keys cannot be had, a push is 503, so that it comes again, and never 401', async () => {
  const addresses = {
    'nobody listens': `http://127.0.0.1:${await freePort()}`,
    'an error': await listen(answering(500, '{}')),
    'no JSON': await listen(answering(200, '<html>')),
    'no keys': await listen(answering(200, '{}')),
    silence: await listen(createServer(() => {})),
  }
  for (const [name, address] of Object.entries(addresses)) {
    const { app } = createPushedCore({ keysUrl: address })
    const response = await app.request('/internal/events', {
      method: 'POST',
      body: JSON.stringify(newPush().envelope),
      headers: { authorization: `Bearer ${await tokenOf()}` },
    })
    expect([name, response.status]).toEqual([name, 503])
  }
})

/** Stands before the core as Google's front end does: gives each push its token. Tells how the core answered. */
const startFrontEnd = async (): Promise<{ url: string; answers: { status: number; framing: string }[] }> => {
  const answers: { status: number; framing: string }[] = []
  const pass = async (req: IncomingMessage, res: ServerResponse) => {
    const status = await push(await text(req), await tokenOf())
    answers.push({ status, framing: 'content-length' in req.headers ? 'length' : 'chunks' })
    res.writeHead(status).end()
  }
  // A push may be on its way when the core stops, and then it is as if nobody had answered.
  const server = createServer((req, res) => pass(req, res).catch(() => res.destroy()))
  return { url: await listen(server), answers }
}

test.skipIf(!emulatorHost)(
  'an event goes from a profile change over the relay and a push subscription to its consumer',
  async () => {
    const client = new PubSub({ projectId, apiEndpoint: emulatorHost ?? '', emulatorMode: true })
    const frontEnd = await startFrontEnd()
    const topic = client.topic(`${world.prefix}-events`)
    const [subscription] = await topic.createSubscription(`${prefix}-${cell}-invalidate`, {
      enableMessageOrdering: true,
      pushEndpoint: `${frontEnd.url}/internal/events`,
    })
    onTestFinished(async () => {
      await subscription.delete()
      await client.close()
    })
    const player = await world.signIn()
    await player.client.updateOwnProfile({ body: { displayName: 'Grace' } })
    const tookMs = await eventually(async () => raised.includes(`player:${player.playerId}`), 15_000)
    await eventually(async () => frontEnd.answers.length > 0, 5_000)
    expect(new Set(frontEnd.answers.map(({ status }) => status))).toEqual(new Set([204]))
    console.log(
      `pushed over the emulator after ${Math.round(tookMs)} ms; bodies come by ${frontEnd.answers[0]?.framing}`,
    )
  },
)
