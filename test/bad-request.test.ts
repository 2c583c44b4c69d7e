import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { parseNamedKeys } from '#contract/edge-request.ts'
import { newId, type SessionId } from '#contract/ids.ts'
import { encodeToken, firstToken } from '#core/auth/refresh-token.ts'
import { createSecrets } from '#core/secrets.ts'
import { checkedFetch } from './checked-fetch.ts'
import { contentsOf } from './contents.ts'
import { cell, startWorld } from './harness.ts'
import { publishExamples } from './published.ts'
import { problemOf } from './refusals.ts'
import { makeSpareContent } from './spare-content.ts'
import { makeSpareSessions } from './spare-sessions.ts'
import { type Cast, requestOf, table, validCall } from './valid-call.ts'

let cast: Cast
let edgeUrl: string
let before: Record<string, string>
beforeAll(async () => {
  const world = await startWorld()
  await publishExamples(world)
  cast = { world, player: await world.signIn(), spares: await makeSpareSessions(world, 200) }
  await makeSpareContent(world)
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

/** Every path once, with the name of a route that has it. */
const paths = [...new Map(table.map(([name, { path }]) => [path, name]))]

test.each(paths)(
  '%s says which methods it takes to whoever comes with another, credentials or not',
  async (_, name) => {
    const { path } = validCall(cast, name)
    const fits = ([, route]: (typeof table)[number]) =>
      new RegExp(`^${route.path.replaceAll('.', '[.]').replace(/\{\w+\}/g, '[^/]+')}$`).test(path)
    const taken = [...new Set(table.filter(fits).map(([, { method }]) => String(method)))]
    const url = edgeUrl + path
    const others = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter((method) => !taken.includes(method))
    for (const method of others) {
      for (const headers of [{}, asPlayer()]) {
        const response = await checkedFetch(new Request(url, { method, headers }))
        const { code } = JSON.parse(await response.text())
        expect([method, response.status, code]).toEqual([method, 405, 'method_not_allowed'])
        expect(response.headers.get('allow')?.split(', ').toSorted()).toEqual(taken.toSorted())
      }
    }
    const options = await fetch(url, { method: 'OPTIONS' })
    expect([options.status, options.headers.get('allow')?.split(', ').toSorted()]).toEqual([405, taken.toSorted()])
  },
)

test.each(table)('HEAD is answered as the method of %s would be, without a body', async (name, route) => {
  const { path, headers } = validCall(cast, name)
  const head = await fetch(edgeUrl + path, { method: 'HEAD', headers })
  expect([head.status, await head.text()]).toEqual([route.method === 'GET' ? 200 : expect.any(Number), ''])
  expect(head.headers.get('cache-control')).toBeTruthy()
  if (!table.some(([, other]) => other.path === route.path && other.method === 'GET')) expect(head.status).toBe(405)
})

const unknown = [
  '/',
  '/v1',
  '/v1/',
  '/v2/wallet',
  '/v1/wallet/',
  '/V1/wallet',
  '/v1//wallet',
  '//v1/wallet',
  '/v1/players',
  '/v1/players/',
  '/v1/players/me/x',
  '/internal/documents/clients',
  '/health/live',
  '/health/ready',
  '/.env',
  '/docs/',
  '/v1/wallet%2f',
  '/v1/players%2fme',
  '/v1/players/me;x=1',
  `/${'a'.repeat(4_000)}`,
  '/%00',
  '/%ff',
  '/%',
]
test.each(unknown)('there is nothing at %s', async (path) => {
  const problem = await problemOf(get(path))
  // What is no path of ours may still have the shape of an id's place, and is then no id.
  expect(['not_found', 'invalid_request']).toContain(problem.code)
  if (problem.code === 'invalid_request') expect(problem.errors).toMatchObject([{ in: 'path', pointer: '/playerId' }])
})

const noIds = ['x', 'ME', 'me%2f', '%6de%20', '%00', '%ff', 'a%2Fb', '..%2fme', 'ply_', 'null', '-1', 'a'.repeat(4_000)]
test.each(noIds)('%s in the place of an id is pointed at', async (text) => {
  expect(await problemOf(get(`/v1/players/${text}`))).toMatchObject({
    code: 'invalid_request',
    errors: [{ in: 'path', pointer: '/playerId' }],
  })
})

test('an id that is too short, too long, of another kind or in capitals is pointed at, for reads and writes', async () => {
  const { playerId } = cast.player
  const spoilt = [
    playerId.slice(0, -1),
    `${playerId}0`,
    playerId.toUpperCase(),
    playerId.replace('ply_', 'ses_'),
    playerId.replace('_eu1_', '_'),
    `${playerId}%0a`,
    `%20${playerId}`,
    playerId.replace(/.$/, 'u'),
  ]
  for (const name of ['getProfile', 'createWalletTransaction']) {
    for (const text of spoilt) {
      const call = { ...validCall(cast, name), path: validCall(cast, name).path.replace(playerId, text) }
      const { code, errors } = await problemOf(requestOf(edgeUrl, call))
      expect([name, text, code, errors?.[0]?.in, errors?.[0]?.pointer]).toEqual([
        name,
        text,
        'invalid_request',
        'path',
        '/playerId',
      ])
    }
  }
})

test('“me” is the caller, not an id, however it is spelt on the wire', async () => {
  for (const path of ['/v1/players/me', '/v1/players/%6de', '/v1/players/./me', '/v1/players/x/../me'])
    expect(JSON.parse(await (await fetch(get(path))).text()).id).toBe(cast.player.playerId)
})

test('an id, a session or a refresh token of a cell that does not exist here gets an answer that the contract declares', async () => {
  const there = cast.player.playerId.replace(`_${cell}_`, '_us1_')
  for (const name of ['getProfile', 'createWalletTransaction']) {
    const call = validCall(cast, name, { params: { playerId: there } })
    expect((await problemOf(requestOf(edgeUrl, call))).code).toBe('not_found')
  }
  const secrets = createSecrets(parseNamedKeys(cast.world.secrets.masterKeys))
  const sessionId = newId('session', cell, Date.now()).replace(`_${cell}_`, '_us1_') as SessionId
  const refreshToken = encodeToken(secrets, firstToken(secrets, sessionId))
  const { code } = await problemOf(requestOf(edgeUrl, validCall(cast, 'refreshSession', { body: { refreshToken } })))
  expect(['refresh_token_invalid', 'misdirected']).toContain(code)
})
