import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DataCentre, startDataCentre } from '#infra/local/data-centre.ts'
import { edgeBundle } from './edge-bundle.ts'
import { cell, startWorld, type World } from './harness.ts'

const stops: (() => Promise<unknown>)[] = []
const lines: string[] = []
let world: World

beforeAll(async () => {
  world = await startWorld({ bus: 'direct' })
  stops.push(() => world.stop())
})

afterAll(async () => {
  for (const stop of stops.toReversed()) await stop()
})

/** Our Worker in a data centre, in front of the world's core. */
const start = async (
  options: { readonly cache?: boolean; readonly callerLimit?: number } = {},
): Promise<DataCentre> => {
  const vars = {
    CELLS: JSON.stringify({ [cell]: { coreUrl: world.coreUrl, near: [] } }),
    CONTROL_CELL: cell,
    ISSUER: world.edgeUrl,
    UPSTASH_URL: world.upstash.url,
    UPSTASH_TOKEN: 'test-token',
    EDGE_KEYS: world.secrets.edgeKeys,
  }
  const bundleFolder = await edgeBundle()
  const dataCentre = await startDataCentre({ bundleFolder, isolates: 2, vars, ...options }, (line) => lines.push(line))
  stops.push(() => dataCentre.stop())
  return dataCentre
}

/** A Worker of a few lines in a data centre: what it is given is all that is tested. */
const startScript = async (script: string, isolates = 1): Promise<DataCentre> => {
  const bundleFolder = await mkdtemp(join(tmpdir(), 'perigee-script-'))
  stops.push(() => rm(bundleFolder, { recursive: true, force: true }))
  await writeFile(join(bundleFolder, 'main.js'), script)
  const dataCentre = await startDataCentre({ bundleFolder, isolates, vars: {} }, 'ignore')
  stops.push(() => dataCentre.stop())
  return dataCentre
}

const get = (url = '') => fetch(url, { signal: AbortSignal.timeout(5_000) })
const textOf = async (url: string) => (await get(url)).text()

describe('isolates of one data centre', () => {
  test('both serve players, and the second has the documents from the cache that they share', async () => {
    const { urls, cacheCounts } = await start()
    const [first = '', second = ''] = urls
    expect(await textOf(`${first}/.well-known/jwks.json`)).toContain('ES256')
    const { body } = await world.client({ baseUrl: first }).signInWithDevice({ body: { deviceId: 'one-device' } })
    await world.client({ baseUrl: first, bearer: body.accessToken }).getOwnProfile({})
    // Keys, clients and revocations; and that Upstash was told of the clients.
    await expect.poll(async () => (await cacheCounts()).puts).toBe(4)
    const asked = world.coreRequests()
    const client = world.client({ baseUrl: second, bearer: body.accessToken })
    expect((await client.getOwnProfile({})).body.id).toBe(body.player.id)
    expect(await cacheCounts()).toMatchObject({ hits: 2, entries: 4 })
    // The profile itself; the keys that verified the token, and what was revoked, were in the cache.
    expect(world.coreRequests() - asked).toBe(1)
    await expect.poll(() => lines.filter((line) => line.includes('"message":"request"')).length).toBeGreaterThan(1)
  })

  test('keep memories of their own', async () => {
    const { urls } = await startScript(
      'let count = 0; export default { fetch: () => new Response(String(++count)) }',
      2,
    )
    const [first = '', second = ''] = urls
    expect([await textOf(first), await textOf(first), await textOf(second)]).toEqual(['1', '2', '1'])
  })

  test('find what another has put for as long as its max-age says, and not what was deleted', async () => {
    const { urls } = await startScript(
      `export default { fetch: async (request) => {
        const cache = caches.default
        const key = 'https://cache.invalid/entry'
        switch (new URL(request.url).pathname) {
          case '/put': await cache.put(key, new Response('kept', { headers: { 'cache-control': 'max-age=1', 'x-of': 'first' } })); break
          case '/put-without-life': await cache.put(key, new Response('kept')); break
          case '/delete': return new Response(String(await cache.delete(key)))
        }
        const found = await cache.match(key)
        return new Response(found ? (await found.text()) + ' ' + found.headers.get('x-of') : 'nothing')
      } }`,
      2,
    )
    const [first = '', second = ''] = urls
    expect(await textOf(`${first}/put`)).toBe('kept first')
    expect(await textOf(second)).toBe('kept first')
    await expect.poll(() => textOf(second), { timeout: 3_000 }).toBe('nothing')
    await textOf(`${first}/put`)
    expect(await textOf(`${second}/delete`)).toBe('true')
    expect(await textOf(first)).toBe('nothing')
    expect(await textOf(`${first}/put-without-life`)).toBe('nothing')
  })

  test('refuse a caller beyond the limit that was asked for', async () => {
    const { urls } = await start({ callerLimit: 2 })
    const statuses = []
    for (let count = 0; count < 6; count++) statuses.push((await get(`${urls[0]}/.well-known/jwks.json`)).status)
    expect(statuses).toContain(429)
  })

  test('have a cache that never holds anything, where none was asked for', async () => {
    const { urls, cacheCounts } = await start({ cache: false })
    for (const url of urls) expect((await get(`${url}/.well-known/jwks.json`)).status).toBe(200)
    await expect.poll(cacheCounts).toMatchObject({ puts: 2, hits: 0, entries: 0, bytes: 0 })
  })
})

describe('the process', () => {
  test('is gone once it was stopped', async () => {
    const { urls, pid, exited, stop } = await startScript('export default { fetch: () => new Response() }')
    await stop()
    expect(await exited).toMatchObject({ code: expect.toSatisfy((code) => code === null || code === 0) })
    expect(() => process.kill(pid, 0)).toThrow()
    await expect(get(urls[0])).rejects.toThrow()
  })

  test('that does not start says why', async () => {
    await expect(startScript('export default {')).rejects.toThrow(/workerd exited .*SyntaxError/s)
  })

  test('takes no number of isolates that it could not carry', async () => {
    await expect(startScript('', 33)).rejects.toThrow('1 to 32 isolates')
  })
})
