import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { parseNamedKeys } from '#contract/edge-request.ts'
import { cellSchema, newId, playerIdSchema } from '#contract/ids.ts'
import { Fault } from '#contract/problem.ts'
import { directoryPath } from '#core/directory.ts'
import { paths } from '#core/paths.ts'
import { createPeers, type Peers } from '#core/peers.ts'
import { createMetadataIdentity } from '#infra/google-metadata.ts'
import { createIdTokens } from '#infra/id-tokens.ts'
import type { DataCentre } from '#infra/local/data-centre.ts'
import { type FrontEnd, startFrontEnd } from './cloud-run.ts'
import { startCoreProcess } from './core-process.ts'
import { codeOf } from './erasing.ts'
import { eventually } from './eventually.ts'
import { type LocalGoogle, machineAccount, startGoogle } from './google.ts'
import { cell, startWorld, type World } from './harness.ts'
import { startIsolates } from './isolates.ts'

let world: World
let google: LocalGoogle
let frontEnd: FrontEnd
let logLines: string[]

beforeAll(async () => {
  world = await startWorld({ bus: 'direct' })
})
afterAll(() => world?.stop())
beforeEach(async () => {
  logLines = []
  google = await startGoogle({ issuer: world.edgeUrl })
  onTestFinished(google.stop)
  frontEnd = await startFrontEnd(google, world.coreUrl, [google.identity.serviceAccount, machineAccount])
  onTestFinished(frontEnd.stop)
})

/** Isolates of the Worker that reach the core through the front end alone. */
const start = async (isolates: number, vars: Readonly<Record<string, string>>): Promise<DataCentre> => {
  const print = (line: string) => logLines.push(line)
  const dataCentre = await startIsolates(world, { isolates, coreUrl: frontEnd.url, vars, print })
  onTestFinished(() => dataCentre.stop())
  return dataCentre
}

const withIdentity = (key: unknown = google.key) => ({
  GOOGLE_IDENTITY: JSON.stringify(google.identity),
  GOOGLE_KEY: JSON.stringify(key),
})

const signIn = async (baseUrl = '') => {
  const { body } = await world.client({ baseUrl }).signInWithDevice({ body: { deviceId: randomUUID() } })
  return { playerId: body.player.id, client: world.client({ baseUrl, bearer: body.accessToken }) }
}

test('behind IAM players and backends are served, what they say in Authorization arrives, and all isolates share one token', async () => {
  const { urls } = await start(4, withIdentity())
  for (const baseUrl of urls) {
    const { playerId, client } = await signIn(baseUrl)
    const granted = await world.client({ baseUrl, bearer: world.keys.server }).createWalletTransaction({
      params: { playerId },
      body: { changes: [{ currency: 'coins', amount: 5 }], reason: 'test' },
    })
    const five = { currency: 'coins', amount: 5 }
    expect(granted.body.balances).toContainEqual(five)
    expect((await client.getWallet({})).body.balances).toContainEqual(five)
  }
  expect(new Set(frontEnd.passed.map(({ caller }) => caller))).toEqual(new Set([google.identity.serviceAccount]))
  expect(frontEnd.refused).toBe(0)
  expect([google.exchange.requests, google.generate.requests]).toEqual([1, 1])
})

test('whatever an id ends in, its path arrives', async () => {
  const { urls } = await start(1, withIdentity())
  const { client } = await signIn(urls[0])
  for (const end of ['z', 'y']) {
    const playerId = playerIdSchema.parse(`${newId('player', cell, Date.now()).slice(0, -1)}${end}`)
    const grant = { params: { playerId }, body: { changes: [{ currency: 'coins', amount: 5 }], reason: 'test' } }
    expect(await codeOf(client.getProfile({ params: { playerId } }))).toBe('not_found')
    const server = world.client({ baseUrl: urls[0] ?? '', bearer: world.keys.server })
    expect(await codeOf(server.createWalletTransaction(grant))).toBe('not_found')
  }
  expect(frontEnd.refused).toBe(0)
})

test('what a client has encoded without need is found, also where it is decoded on the way', async () => {
  const { urls } = await start(1, withIdentity())
  const { playerId } = await signIn(urls[0])
  const encoded = playerId.replace('p', '%70')
  const response = await fetch(`${urls[0]}/v1/players/${encoded}/wallet/transactions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${world.keys.server}`,
      'content-type': 'application/json',
      'idempotency-key': randomUUID(),
    },
    body: JSON.stringify({ changes: [{ currency: 'coins', amount: 5 }], reason: 'test' }),
  })
  expect(response.status).toBe(200)
  const operator = world.client({ baseUrl: urls[0] ?? '', bearer: world.keys.operator })
  expect((await operator.listAuditLog({ query: { actor: '~+%/%41' } })).body.entries).toEqual([])
})

test('an edge without an identity, or whose account may not call, is not let in, and says that it is unavailable', async () => {
  frontEnd.invokers.delete(google.identity.serviceAccount)
  for (const vars of [{}, withIdentity()]) {
    const { urls } = await start(1, vars)
    // The one thing that is kept for no outage of all cores.
    const answer = await fetch(`${urls[0]}/.well-known/jwks.json`)
    expect(answer.status).toBe(503)
    expect(await answer.json()).toMatchObject({ code: 'unavailable' })
  }
  expect(frontEnd.passed).toEqual([])
  expect(frontEnd.refused).toBeGreaterThan(1)
  expect(google.generate.requests).toBe(1)
})

test('while no token can be had a write is 503 at once, what is cached is served, and it ends when Google is back', async () => {
  // Good for three seconds: less than half a minute before its end it is not sent.
  google.lifeSeconds = 33
  const { urls } = await start(1, withIdentity())
  const { playerId, client } = await signIn(urls[0])
  const read = () => client.getProfile({ params: { playerId } })
  expect((await read()).body.id).toBe(playerId)
  google.exchange.status = 503
  await eventually(async () => (await outcomeOf(signIn(urls[0]))) === 'unavailable', 10_000)
  const startedAt = performance.now()
  expect(await codeOf(signIn(urls[0]))).toBe('unavailable')
  console.log(`refused for want of a token after ${Math.round(performance.now() - startedAt)} ms`)
  expect((await read()).body.id).toBe(playerId)
  await eventually(async () => logLines.join().includes('the edge has no identity to call the cores with'), 2_000)
  // It says nothing of the cell: neither is it tried again, nor is the cell left alone for it.
  expect(logLines.join()).not.toMatch(/perigee\.edge\.(retries|skipped)/)
  for (const line of logLines) expect(line).not.toMatch(/eyJ[\w-]{20}|ya29/)
  google.exchange.status = undefined
  google.lifeSeconds = 3_600
  await eventually(async () => (await outcomeOf(signIn(urls[0]))) === 'signed in', 10_000)
  expect((await read()).body.id).toBe(playerId)
})

const outcomeOf = (call: ReturnType<typeof signIn>): Promise<string> =>
  call.then(
    () => 'signed in',
    (error: { code?: string }) => error.code ?? String(error),
  )

test('a Worker with an identity and no key, or half an identity, does not start, and names the variable', async () => {
  const { provider, ...half } = google.identity
  expect(provider).toBeDefined()
  const wrong: readonly [string, Readonly<Record<string, string>>][] = [
    ['GOOGLE_KEY', { GOOGLE_IDENTITY: JSON.stringify(google.identity) }],
    ['GOOGLE_IDENTITY', { ...withIdentity(), GOOGLE_IDENTITY: JSON.stringify(half) }],
    ['GOOGLE_KEY', withIdentity({ ...google.key, kid: undefined })],
  ]
  for (const [name, vars] of wrong) {
    const { urls } = await start(1, vars)
    expect((await fetch(`${urls[0]}/.well-known/jwks.json`)).status).toBe(500)
    // The line comes another way than the answer.
    const told = `the variable ${name} is missing or not as it should be`
    await eventually(async () => logLines.at(-1)?.includes(told) ?? false, 2_000)
    expect(logLines.join()).not.toContain(google.key.d)
  }
})

const us1 = cellSchema.parse('us1')

/** What another cell's core would use to ask this one, through the front end. */
const newPeers = (withTokens: boolean, coreUrl = frontEnd.url): Peers => {
  const { audience } = google.identity
  const idTokens = createIdTokens({
    audience,
    source: createMetadataIdentity({ audience, host: google.host }),
    clock: Date.now,
    random: Math.random,
    onFailure: () => {},
  })
  return createPeers({
    cell: us1,
    others: new Map([[cell, coreUrl]]),
    edgeKeys: parseNamedKeys(world.secrets.edgeKeys),
    ...(withTokens ? { idTokens } : {}),
    clock: world.clock,
  })
}

const urlOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`

const question = { ask: 'find', provider: 'device', credentialHash: 'nobody' }
const origin = () => ({
  now: new Date(world.clock()),
  requestId: 'request-1',
  traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-00`,
  deadlineAt: world.clock() + 5_000,
})

test('a cell asks another one behind IAM as its own account, and is not let in without a token', async () => {
  const peers = newPeers(true)
  await peers.ping(cell)
  expect(await peers.ask(cell, directoryPath, question, origin())).toMatchObject({ playerId: null })
  expect(frontEnd.passed).toEqual([
    { caller: machineAccount, path: paths.live },
    { caller: machineAccount, path: directoryPath },
  ])
  expect(google.metadata.requests).toBe(1)
  const stranger = newPeers(false)
  await expect(stranger.ping(cell)).rejects.toThrow('answered 403')
  await expect(stranger.ask(cell, directoryPath, question, origin())).rejects.toMatchObject({ code: 'unavailable' })
})

test('whatever a cell’s address leads to does not get the token', async () => {
  const tokens: unknown[] = []
  const elsewhere = createServer((request, response) => {
    tokens.push(request.headers['x-serverless-authorization'])
    response.end('{}')
  })
  const leading = createServer((_, response) => response.writeHead(307, { location: urlOf(elsewhere) }).end())
  for (const server of [elsewhere, leading]) {
    await once(server.listen(0, '127.0.0.1'), 'listening')
    onTestFinished(() => void server.close())
  }
  const peers = newPeers(true, urlOf(leading))
  await expect(peers.ping(cell)).rejects.toThrow()
  await expect(peers.ask(cell, directoryPath, question, origin())).rejects.toMatchObject({ code: 'unavailable' })
  expect(tokens).toEqual([])
})

test('a cell that gets no token within its time says that the other one is unavailable', async () => {
  google.metadata.silent = true
  const startedAt = performance.now()
  const asked = newPeers(true).ask(cell, directoryPath, question, { ...origin(), deadlineAt: world.clock() + 300 })
  await expect(asked).rejects.toBeInstanceOf(Fault)
  await expect(asked).rejects.toMatchObject({ code: 'unavailable' })
  expect(performance.now() - startedAt).toBeLessThan(1_500)
})

test('a core that CORE_AUDIENCE is set for looks after the other cells with a token of its machine', async () => {
  const core = await startCoreProcess(world, {
    CELLS: JSON.stringify({ [cell]: world.coreUrl, us1: frontEnd.url }),
    CONTROL_CELL: cell,
    CORE_AUDIENCE: frontEnd.audience,
    GCE_METADATA_HOST: google.host,
  })
  onTestFinished(() => core.stop())
  await eventually(async () => frontEnd.passed.length > 0, 10_000)
  expect(frontEnd.passed[0]).toEqual({ caller: machineAccount, path: paths.live })
})

test('both addresses of a core’s health reach it through the front end, which one that ends in z would not', async () => {
  const authorization = `Bearer ${await google.token({ aud: frontEnd.audience, email: machineAccount })}`
  const statusOf = async (path: string) => (await fetch(frontEnd.url + path, { headers: { authorization } })).status
  for (const path of [paths.live, paths.ready]) {
    expect(path).not.toMatch(/z$|^\/_ah\/|^\/eventlog$/)
    expect([path, await statusOf(path)]).toEqual([path, 200])
  }
  expect(await statusOf('/healthz')).toBe(404)
})
