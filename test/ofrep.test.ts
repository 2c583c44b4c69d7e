import { ErrorCode } from '@openfeature/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApiKey } from '#core/api-keys.ts'
import { freePort } from '#infra/local/ports.ts'
import { checkedFetch } from './checked-fetch.ts'
import { startExtraEdge } from './extra-edge.ts'
import { cell, type SignedIn, startWorld, type World } from './harness.ts'
import { startServer, startWeb } from './ofrep-callers.ts'
import { publishExamples } from './published.ts'

let world: World
let player: SignedIn
/** The key of an app whose pages are of another origin. */
let otherKey: string
beforeAll(async () => {
  world = await startWorld()
  const rights = { origins: ['https://other.example'], scopes: [], role: undefined }
  const made = { kind: 'publishable', name: 'other', cell, now: new Date() } as const
  otherKey = (await createApiKey(world.database.db, { ...made, ...rights })).key
  await publishExamples(world)
  player = await world.signIn()
})
afterAll(() => world?.stop())

const settings = (over: { url?: string; headers?: [string, string][] } = {}) => ({
  baseUrl: over.url ?? world.edgeUrl,
  headers: over.headers ?? ([['X-API-Key', world.keys.publishable]] as [string, string][]),
})

const ask = (path: string, options: { body?: unknown; headers?: Record<string, string>; url?: string } = {}) => {
  const { body = { context: {} }, headers = {}, url = world.edgeUrl } = options
  return checkedFetch(
    new Request(`${url}/ofrep/v1/evaluate/flags${path}`, {
      method: 'POST',
      headers: { 'x-api-key': world.keys.publishable, 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    }),
  )
}
const told = async (response: Response) => ({ status: response.status, ...JSON.parse(await response.text()) })

test('the provider for browsers is given every flag, with value, variant, reason and metadata', async () => {
  const web = await startWeb(settings(), { targetingKey: 'somebody', level: 12 })
  expect(web.client.getBooleanDetails('new-shop', false)).toMatchObject({
    value: true,
    variant: 'on',
    reason: 'TARGETING_MATCH',
    flagMetadata: { owner: 'shop' },
  })
  expect([1, 0.5]).toContain(web.client.getNumberValue('half-price', 0))
  expect(web.client.getNumberDetails('half-price', 0).reason).toBe('SPLIT')
  expect(web.client.getObjectValue('layout', {})).toEqual({ columns: 2 })
  expect(web.client.getObjectDetails('layout', {}).reason).toBe('STATIC')
  expect(web.client.getStringDetails('greeting', '')).toMatchObject({
    value: 'Welcome to the festival',
    flagMetadata: { liveEvent: 'long-fest', liveEventRun: 'long-fest.1' },
  })
  expect(web.client.getNumberDetails('closed', 3)).toMatchObject({ value: 0, reason: 'DISABLED' })
  expect(web.exchanged.map(({ response }) => response.status)).toEqual([200])
  expect(web.exchanged[0]?.response.headers.get('perigee-flags')).toBe('1')
  await web.close()
})

test('a flag that falls through its rules says DEFAULT to the provider for browsers', async () => {
  const web = await startWeb(settings(), { targetingKey: 'somebody', level: 1 })
  expect(web.client.getBooleanDetails('new-shop', true)).toMatchObject({ value: false, reason: 'DEFAULT' })
  await web.close()
})

test('a flag that cannot be evaluated stands among the others with its error', async () => {
  const web = await startWeb(settings(), { level: 12 })
  expect(web.client.getBooleanValue('new-shop', false)).toBe(true)
  expect(web.client.getNumberDetails('half-price', 9)).toMatchObject({
    value: 9,
    errorCode: ErrorCode.TARGETING_KEY_MISSING,
  })
  expect(web.client.getStringDetails('team-colour', 'none')).toMatchObject({
    value: 'none',
    errorCode: ErrorCode.INVALID_CONTEXT,
  })
  expect(web.client.getBooleanDetails('no-such-flag', true)).toMatchObject({
    value: true,
    errorCode: ErrorCode.FLAG_NOT_FOUND,
  })
  await web.close()
})

test('a type that a flag does not have is reported by both SDKs as TYPE_MISMATCH, with the default', async () => {
  const web = await startWeb(settings(), { targetingKey: 'somebody' })
  const server = await startServer(settings())
  const context = { targetingKey: 'somebody' }
  const details = [
    web.client.getStringDetails('new-shop', 'mine'),
    await server.client.getStringDetails('new-shop', 'mine', context),
  ]
  for (const { value, errorCode } of details) expect([value, errorCode]).toEqual(['mine', ErrorCode.TYPE_MISMATCH])
  await web.close()
})

test('a provider that has what would be answered gets 304, and goes on with what it has', async () => {
  const context = { targetingKey: 'somebody', level: 12 }
  const web = await startWeb(settings(), context)
  await web.refresh(context)
  expect(web.exchanged.map(({ response }) => response.status)).toEqual([200, 304])
  const [first, second] = web.exchanged.map(({ response }) => response.headers)
  expect(second?.get('etag')).toBe(first?.get('etag'))
  expect(web.client.getBooleanValue('new-shop', false)).toBe(true)
  await web.close()
})

test('a tag that is kept while the context changes never hides what the new context gets', async () => {
  const web = await startWeb(settings(), { targetingKey: 'somebody', level: 1 })
  expect(web.client.getBooleanValue('new-shop', true)).toBe(false)
  await web.setContext({ targetingKey: 'somebody', level: 12 })
  // The provider keeps its tag where the targeting key stays.
  expect(web.exchanged[1]?.request.headers.get('if-none-match')).toBe(web.exchanged[0]?.response.headers.get('etag'))
  expect(web.client.getBooleanValue('new-shop', false)).toBe(true)
  await web.setContext({ targetingKey: 'somebody', level: 13 })
  // Another context with the same answers.
  expect(web.exchanged.map(({ response }) => response.status)).toEqual([200, 200, 304])
  await web.close()
})

test('the tag is strong, is compared weakly in a list, and * knows whatever there is', async () => {
  const etag = (await ask('')).headers.get('etag') ?? ''
  expect(etag).toMatch(/^"[0-9a-f]{64}"$/)
  for (const known of [etag, `W/${etag}`, `"other", ${etag}`, `W/"other",W/${etag}`, '*']) {
    const { status, headers, body } = await ask('', { headers: { 'if-none-match': known } })
    expect([status, headers.get('etag'), headers.get('perigee-flags'), body]).toEqual([304, etag, '1', null])
  }
  for (const other of ['"other"', etag.slice(1, -1), `"${etag.slice(2)}`, ''])
    expect((await ask('', { headers: { 'if-none-match': other } })).status, other).toBe(200)
})

test('no refusal carries a tag, not even to somebody who has one', async () => {
  const headers = { 'if-none-match': '*', 'x-api-key': 'pk_wrong' }
  const refusal = await ask('', { headers })
  expect([refusal.status, refusal.headers.get('etag')]).toEqual([401, null])
  const nonsense = await ask('', { headers: { 'if-none-match': '*' }, body: '{' })
  expect([nonsense.status, nonsense.headers.get('etag')]).toEqual([400, null])
})

test('the provider for servers is given one flag, and told apart what it cannot have', async () => {
  const { client } = await startServer(settings())
  const context = { targetingKey: 'somebody', level: 12 }
  expect(await client.getBooleanDetails('new-shop', false, context)).toMatchObject({
    value: true,
    variant: 'on',
    reason: 'TARGETING_MATCH',
    flagMetadata: { owner: 'shop' },
  })
  expect(await client.getObjectValue('layout', {}, context)).toEqual({ columns: 2 })
  expect((await client.getNumberDetails('half-price', 9, { level: 12 })).errorCode).toBe(
    ErrorCode.TARGETING_KEY_MISSING,
  )
  expect((await client.getStringDetails('team-colour', '', context)).errorCode).toBe(ErrorCode.INVALID_CONTEXT)
  expect((await client.getBooleanDetails('no-such-flag', true, context)).errorCode).toBe(ErrorCode.FLAG_NOT_FOUND)
})

test('one flag is evaluated as among all, whoever asks', async () => {
  for (const targetingKey of ['a', 'b', 'c', 'd']) {
    const body = { context: { targetingKey, team: targetingKey, level: 12 } }
    const { flags } = await told(await ask('', { body }))
    for (const flag of flags) expect(await told(await ask(`/${flag.key}`, { body }))).toEqual({ status: 200, ...flag })
  }
})

test('a key that comes as a bearer is as good as one in its own header', async () => {
  const bearer = settings({ headers: [['Authorization', `Bearer ${world.keys.publishable}`]] })
  const { client } = await startServer(bearer)
  expect(await client.getBooleanValue('new-shop', false, { level: 12 })).toBe(true)
})

test('a player is their own targeting key unless they name another, and nobody says that they are a player', async () => {
  const headers = { authorization: `Bearer ${player.accessToken}` }
  const asPlayer = async (context: object) => {
    const request = new Request(`${world.edgeUrl}/ofrep/v1/evaluate/flags`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ context }),
    })
    return (await told(await checkedFetch(request))).flags
  }
  const named = await told(await ask('', { body: { context: { targetingKey: player.playerId } } }))
  const valueIn = (flags: { key: string; value: unknown }[], key: string) =>
    flags.find((flag) => flag.key === key)?.value
  const own = await asPlayer({})
  expect(valueIn(own, 'half-price')).toBe(valueIn(named.flags, 'half-price'))
  expect(valueIn(own, 'of-the-player')).toBe(true)
  const values = await Promise.all(
    Array.from({ length: 20 }, async (_, at) => valueIn(await asPlayer({ targetingKey: `other${at}` }), 'half-price')),
  )
  expect(new Set(values).size).toBe(2)
  const besideKey = await ask('/of-the-player', { headers })
  expect(await told(besideKey), 'a session beside a key').toMatchObject({ value: true })
  for (const context of [{ 'player.id': player.playerId }, { player: { id: player.playerId } }])
    expect(await told(await ask('/of-the-player', { body: { context } }))).toMatchObject({ value: false })
})

test('what is no credential is a 401 in the form of OFREP, which both providers understand', async () => {
  const wrong = settings({ headers: [['X-API-Key', 'pk_wrong']] })
  await expect(startWeb(wrong, { targetingKey: 'somebody' })).rejects.toThrow()
  const { client, exchanged } = await startServer(wrong)
  expect(await client.getBooleanValue('new-shop', false, { level: 12 })).toBe(false)
  const [refusal] = exchanged
  expect(await told(refusal?.response ?? expect.fail('it asked'))).toMatchObject({
    status: 401,
    key: 'new-shop',
    errorCode: 'GENERAL',
    code: 'key_invalid',
  })
})

test('a page that the key does not allow is refused with 403 in the form of OFREP', async () => {
  const refused = { status: 403, errorCode: 'GENERAL', code: 'origin_not_allowed' }
  const origin = 'https://evil.example'
  expect(await told(await ask('', { headers: { origin } }))).toMatchObject(refused)
  const asOther = { authorization: `Bearer ${otherKey}`, 'content-type': 'application/json' }
  const statusFrom = async (from: string) => {
    const url = `${world.edgeUrl}/ofrep/v1/evaluate/flags`
    const request = new Request(url, { method: 'POST', headers: { ...asOther, origin: from }, body: '{"context":{}}' })
    return (await checkedFetch(request)).status
  }
  expect(await statusFrom('https://other.example')).toBe(200)
  expect(await statusFrom('https://game.example'), 'an origin of another key').toBe(403)
})

test('a page that the key allows can read the tag, the number of the document and when to come back', async () => {
  const { headers } = await ask('', { headers: { origin: 'https://game.example' } })
  const exposed = headers.get('access-control-expose-headers')?.split(', ')
  expect(exposed).toEqual(expect.arrayContaining(['ETag', 'Perigee-Flags', 'Retry-After']))
  expect(headers.get('cache-control')).toBe('private, no-cache')
  const preflight = await fetch(`${world.edgeUrl}/ofrep/v1/evaluate/flags`, {
    method: 'OPTIONS',
    headers: { origin: 'https://game.example', 'access-control-request-method': 'POST' },
  })
  expect(preflight.headers.get('access-control-allow-headers')).toContain('If-None-Match')
})

test('too many requests are a 429 that says when to come back, and the providers stay away until then', async () => {
  const strict = await startExtraEdge(world, { cores: { [cell]: world.coreUrl }, limit: 1 })
  const context = { targetingKey: 'somebody', level: 12 }
  const { client, exchanged } = await startServer(settings({ url: strict.url }))
  for (let time = 0; time < 4; time++) await client.getBooleanValue('new-shop', false, context)
  const refusal = exchanged.find(({ response }) => response.status === 429)?.response ?? expect.fail('none was refused')
  expect(await told(refusal)).toMatchObject({ errorCode: 'GENERAL', code: 'too_many_requests' })
  expect(refusal.headers.get('retry-after')).toBe('10')
  // Whatever came after the refusal was not sent.
  expect(exchanged.at(-1)?.response.status).toBe(429)
  expect(exchanged.length).toBeLessThan(4)
  await strict.stop()
})

test('a body that cannot be read is a PARSE_ERROR', async () => {
  const cases: [string, Record<string, string>, number, string][] = [
    ['{"context":', {}, 400, 'malformed_json'],
    ['', {}, 400, 'malformed_json'],
    ['{"context":{}}', { 'content-type': 'text/plain' }, 415, 'unsupported_media_type'],
    [JSON.stringify({ context: { text: 'x'.repeat(65_536) } }), {}, 413, 'body_too_large'],
  ]
  for (const [body, headers, status, code] of cases)
    for (const path of ['', '/new-shop'])
      expect(await told(await ask(path, { body, headers }))).toMatchObject({ status, code, errorCode: 'PARSE_ERROR' })
})

test('a context that is none, or a targeting key that is no text, is an INVALID_CONTEXT that says where', async () => {
  const none = ['null', '1', '"text"', '[]', '{}', '{"context":null}', '{"context":[]}', '{"context":"x"}']
  for (const body of none)
    for (const path of ['', '/new-shop'])
      expect(await told(await ask(path, { body })), body).toMatchObject({
        status: 400,
        errorCode: 'INVALID_CONTEXT',
        errorDetails: 'body/context: the context is not an object',
      })
  for (const targetingKey of [null, 1, '', {}, ['a'], true])
    expect(await told(await ask('', { body: { context: { targetingKey } } }))).toMatchObject({
      status: 400,
      code: 'invalid_request',
      errorCode: 'INVALID_CONTEXT',
      errorDetails: 'body/context/targetingKey: the targeting key is not a text, or is empty',
    })
})

test('attributes of another type than declared, or that nobody declared, are as good as missing', async () => {
  for (const level of ['12', null, [12], { at: 12 }, true])
    expect(await told(await ask('/new-shop', { body: { context: { level } } }))).toMatchObject({ value: false })
  const body = '{"context":{"__proto__":{"level":12},"constructor":1,"level":12,"nobody":{"knows":[1]}}}'
  expect(await told(await ask('/new-shop', { body }))).toMatchObject({ value: true, reason: 'TARGETING_MATCH' })
})

test('a flag that there is not is FLAG_NOT_FOUND with its key, however it is called', async () => {
  for (const key of ['no-such-flag', '__proto__', 'constructor', 'New-Shop', 'a%2Fb'])
    expect(await told(await ask(`/${key}`))).toMatchObject({
      status: 404,
      key: decodeURIComponent(key),
      errorCode: 'FLAG_NOT_FOUND',
      code: 'not_found',
    })
})

test('where nothing can be had that was published it is a 503 that says when to come back', async () => {
  const cores = { [cell]: `http://127.0.0.1:${await freePort()}` }
  const alone = await startExtraEdge(world, { cores, upstash: false })
  for (const path of ['', '/new-shop']) {
    const refusal = await ask(path, { url: alone.url })
    expect(refusal.headers.get('retry-after')).toMatch(/^[1-9]$/)
    expect(await told(refusal)).toMatchObject({ status: 503, errorCode: 'GENERAL', code: 'unavailable' })
  }
  const { client } = await startServer(settings({ url: alone.url }))
  expect(await client.getBooleanValue('new-shop', true, { level: 12 })).toBe(true)
  await alone.stop()
})

test('where nothing was published there are no flags', async () => {
  const other = await startWorld()
  const response = await checkedFetch(
    new Request(`${other.edgeUrl}/ofrep/v1/evaluate/flags`, {
      method: 'POST',
      headers: { 'x-api-key': other.keys.publishable, 'content-type': 'application/json' },
      body: '{"context":{}}',
    }),
  )
  expect([await response.text(), response.headers.get('perigee-flags')]).toEqual(['{"flags":[]}', '0'])
  await other.stop()
})
