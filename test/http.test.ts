import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { currentPath, publishedFiles } from '#contract/write-documents.ts'
import { checkedFetch } from './checked-fetch.ts'
import { startWorld } from './harness.ts'
import { publishExamples } from './published.ts'
import { makeSpareContent } from './spare-content.ts'
import { makeSpareSessions } from './spare-sessions.ts'
import { type Cast, requestOf, table, validCall, withHeaders } from './valid-call.ts'

const allowed = 'https://game.example'
const refused = [
  'https://evil.example',
  'http://game.example',
  'https://game.example:444',
  'https://sub.game.example',
  'null',
]

let cast: Cast
let edgeUrl: string
beforeAll(async () => {
  const world = await startWorld()
  await publishExamples(world)
  cast = { world, player: await world.signIn(), spares: await makeSpareSessions(world, 200) }
  await makeSpareContent(world)
  edgeUrl = world.edgeUrl
})
afterAll(() => cast?.world.stop())

const words = (response: Response, name: string) =>
  (response.headers.get(name) ?? '').toLowerCase().split(/,\s*/).filter(Boolean).toSorted()

const preflight = (path: string, headers: Record<string, string>) =>
  fetch(edgeUrl + path, { method: 'OPTIONS', headers })

test.each(table)('a page of an origin of ours may send %s with every header that it takes', async (name, route) => {
  const call = validCall(cast, name)
  const headers = Object.keys(call.headers).filter((header) => header !== 'x-api-key')
  const response = await preflight(call.path, {
    origin: allowed,
    'access-control-request-method': route.method,
    'access-control-request-headers': headers.join(','),
  })
  expect([response.status, await response.text()]).toEqual([204, ''])
  expect(response.headers.get('access-control-allow-origin')).toBe(allowed)
  expect(words(response, 'access-control-allow-methods')).toContain(route.method.toLowerCase())
  expect(words(response, 'access-control-allow-headers')).toEqual(
    expect.arrayContaining([...headers, 'x-api-key', 'perigee-consistency', 'x-request-id', 'traceparent']),
  )
  expect(words(response, 'vary')).toContain('origin')
  expect(response.headers.has('access-control-allow-credentials')).toBe(false)
})

test.each(table)('a page of another origin may neither send %s nor have it answered', async (name, route) => {
  const call = validCall(cast, name)
  for (const origin of refused) {
    const asked = await preflight(call.path, { origin, 'access-control-request-method': route.method })
    expect([origin, asked.status]).toEqual([origin, 403])
    if (route.access === 'public') continue
    // Each in its own form: OFREP's routes have no problems.
    const { code } = JSON.parse(await (await checkedFetch(requestOf(edgeUrl, withHeaders(call, { origin })))).text())
    expect([origin, code]).toEqual([origin, 'origin_not_allowed'])
  }
})

test.each(table)('to a page of ours the answer of %s shows the headers that a client needs', async (name) => {
  const response = await checkedFetch(requestOf(edgeUrl, withHeaders(validCall(cast, name), { origin: allowed })))
  expect(response.ok).toBe(true)
  expect(response.headers.get('access-control-allow-origin')).toBe(allowed)
  expect(words(response, 'access-control-expose-headers')).toEqual(
    expect.arrayContaining(['etag', 'idempotency-replayed', 'perigee-consistency', 'retry-after', 'x-request-id']),
  )
  expect(words(response, 'vary')).toContain('origin')
})

test.each(publishedFiles)('a deployment serves its own %s, byte for byte', async (file) => {
  const response = await checkedFetch(new Request(`${edgeUrl}/${file}`))
  expect(response.headers.get('content-type')).toBe('application/json')
  expect(await response.text()).toBe(await readFile(currentPath(file), 'utf8'))
})

test('an answer to nobody’s page says that it would differ for one', async () => {
  for (const [name] of table) {
    const response = await checkedFetch(requestOf(edgeUrl, validCall(cast, name)))
    expect(words(response, 'vary'), name).toContain('origin')
    expect(response.headers.has('access-control-allow-origin'), name).toBe(false)
  }
})

const cachedRoutes = table.filter(([, { delivery }]) => delivery.kind === 'cached')

test.each(cachedRoutes)(
  'who has what %s would answer is told so, by a strong tag, a weak one, or one of a list',
  async (name) => {
    const ask = (ifNoneMatch?: string) =>
      checkedFetch(requestOf(edgeUrl, withHeaders(validCall(cast, name), { 'if-none-match': ifNoneMatch })))
    const first = await ask()
    const etag = first.headers.get('etag') ?? ''
    expect(etag).toMatch(/^"[!#-~]+"$/)
    for (const same of [etag, `W/${etag}`, `"other", ${etag}`, `W/"other" ,${etag},"more"`]) {
      const response = await ask(same)
      expect([same, response.status, response.headers.get('etag')]).toEqual([same, 304, etag])
      expect(response.headers.get('cache-control')).toBe(first.headers.get('cache-control'))
    }
    for (const other of [
      '"other"',
      'W/"other"',
      etag.slice(0, -1),
      etag.replaceAll('"', ''),
      `"${etag}"`,
      '',
      ',',
      '"',
    ]) {
      const response = await ask(other)
      expect([other, response.status]).toEqual([other, 200])
    }
    const { playerId } = cast.player
    await cast.player.client.updateOwnProfile({ body: { displayName: 'Changed' } })
    const changed = await cast.player.client.getProfile(
      { params: { playerId } },
      { headers: { 'if-none-match': etag } },
    )
    expect(changed.status).toBe(200)
    expect(changed.headers.get('etag')).not.toBe(etag)
  },
)

test('of a path that fits several routes, refusal and preflight name the methods of all', async () => {
  const path = '/v1/players/me/links/device'
  const { status, headers } = await fetch(edgeUrl + path)
  expect([status, headers.get('allow')?.split(', ').toSorted()]).toEqual([405, ['DELETE', 'POST']])
  for (const method of ['POST', 'DELETE']) {
    const asked = await preflight(path, { origin: allowed, 'access-control-request-method': method })
    expect(words(asked, 'access-control-allow-methods')).toEqual(['delete', 'post'])
  }
})

test('a request id that will do comes back, and another is replaced', async () => {
  const ask = async (id: string) => {
    const request = requestOf(edgeUrl, withHeaders(validCall(cast, 'getWallet'), { 'x-request-id': id }))
    return (await checkedFetch(request)).headers.get('x-request-id')
  }
  for (const id of ['12345678', 'a.b:c-d_e', 'x'.repeat(64)]) expect(await ask(id)).toBe(id)
  for (const id of ['1234567', 'x'.repeat(65), 'with space', '{"a":"b"}', 'é'.repeat(8)])
    expect(await ask(id)).not.toBe(id)
})
