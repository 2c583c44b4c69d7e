import { afterEach, beforeEach, expect, test } from 'vitest'
import { freePort } from '#infra/local/ports.ts'
import { createUpstash } from '#infra/upstash.ts'
import { type CoreProxy, startCoreProxy } from './core-proxy.ts'
import { evaluateAt, flagsSaying } from './evaluating.ts'
import { startExtraEdge, startStandIn } from './extra-edge.ts'
import { cell, startWorld, type World } from './harness.ts'
import { startIsolates } from './isolates.ts'
import { publishDocument } from './published.ts'

let world: World
let core: CoreProxy
const stops: (() => Promise<unknown>)[] = []
beforeEach(async () => {
  world = await startWorld({ bus: 'direct', redisUrl: '' })
  core = await startCoreProxy(world.coreUrl)
  stops.push(() => world.stop(), core.stop)
})
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop()
})

/** A data centre of the deployment, which is empty. */
const startDataCentre = async (isolates: number, coreUrl = core.url) => {
  const { urls, stop } = await startIsolates(world, { isolates, coreUrl })
  stops.push(stop)
  return urls
}
const greet = (url = '') => evaluateAt(world, url)
const documentsPath = '/internal/documents/content'
const kept = () => createUpstash({ url: world.upstash.url, token: 'test-token', timeoutMs: 1_000 })
const patience = { timeout: 10_000 }
const untilKept = (hash: string) => expect.poll(() => kept().recall(`last:content/${hash}`), patience).not.toBe(null)
const untilAllKept = async (hash: string) => {
  await untilKept(hash)
  for (const name of ['content', 'clients'])
    await expect.poll(() => kept().recall(`last:documents/${name}/eu1`), patience).not.toBe(null)
}

test.each(['refusing', 'silent'] as const)(
  'with a %s core and no Upstash, an isolate goes on, and so does one that starts in its data centre',
  async (how) => {
    const { hash } = await publishDocument(world, 'flags', flagsSaying('first'))
    const [old, fresh] = await startDataCentre(2)
    expect(await greet(old)).toMatchObject({ status: 200, value: 'first', number: 1 })
    await untilAllKept(hash)
    await core.be(how)
    world.upstash.faults.down = true
    const asked = core.requestsOf(documentsPath)
    const isAsked = async () => {
      expect(await greet(old)).toMatchObject({ status: 200, value: 'first', number: 1 })
      return core.requestsOf(documentsPath) > asked
    }
    // One that nobody reaches cannot tell that it was asked.
    if (how === 'silent') await expect.poll(isAsked, { timeout: 15_000 }).toBe(true)
    // What stands in the data centre may come too late for one that has nothing else.
    await expect.poll(async () => (await greet(fresh)).status, patience).toBe(200)
    for (const url of [old, fresh, old, fresh])
      expect(await greet(url)).toMatchObject({ status: 200, value: 'first', number: 1 })
  },
)

test('with the core gone a data centre that starts has the last good documents from Upstash, and asks for each once', async () => {
  const { hash } = await publishDocument(world, 'flags', flagsSaying('first'))
  const [elsewhere] = await startDataCentre(1)
  await greet(elsewhere)
  await untilAllKept(hash)
  await core.be('refusing')
  const [first, next, ...others] = await startDataCentre(5)
  // What one has learnt it leaves in the data centre after its answer: the next one may come before that.
  for (const url of [first, next]) expect(await greet(url)).toMatchObject({ status: 200, value: 'first', number: 1 })
  const asked = world.upstash.requests()
  await expect
    .poll(async () => (await Promise.all(others.map(greet))).map(({ value }) => value), patience)
    .toEqual(others.map(() => 'first'))
  // What the first two have learnt, clients, pointers and body, stands in the data centre. Who finds it too late there asks Upstash.
  expect(world.upstash.requests() - asked).toBeLessThan(2 * others.length)
})

test('where neither a core nor a data centre nor Upstash has anything it is a 503 that says when to come back', async () => {
  await publishDocument(world, 'flags', flagsSaying('first'))
  await core.be('refusing')
  const [url] = await startDataCentre(1)
  expect(await greet(url)).toMatchObject({ status: 503, retryAfter: '1' })
  world.upstash.faults.down = true
  expect(await greet(url)).toMatchObject({ status: 503, retryAfter: '1' })
  // And as soon as there is one, it is had.
  await core.be('passing')
  await expect.poll(async () => (await greet(url)).value, { timeout: 5_000 }).toBe('first')
})

test('an Upstash that hangs keeps nobody from an answer', async () => {
  await publishDocument(world, 'flags', flagsSaying('first'))
  world.upstash.faults.latencyMs = 60_000
  const [url] = await startDataCentre(1)
  const startedAt = performance.now()
  expect(await greet(url)).toMatchObject({ status: 200, value: 'first' })
  expect(performance.now() - startedAt).toBeLessThan(1_500)
})

test('Upstash is told of each document once by a data centre, however many isolates there are and however long it goes on', {
  timeout: 90_000,
}, async () => {
  const { hash } = await publishDocument(world, 'flags', flagsSaying('first'))
  const urls = await startDataCentre(4)
  for (const url of urls) await greet(url)
  await untilAllKept(hash)
  /** How often Upstash is asked while the documents are fetched anew from the core. */
  const toldMeanwhile = async () => {
    const before = world.upstash.requests()
    const asked = core.requestsOf(documentsPath)
    await expect
      .poll(
        async () => {
          for (const url of urls) await greet(url)
          return core.requestsOf(documentsPath) - asked
        },
        { timeout: 15_000, interval: 200 },
      )
      .toBeGreaterThanOrEqual(2)
    return world.upstash.requests() - before
  }
  // An isolate finds in its data centre that it was told; where that comes too late for one, it does not the next time.
  const told = [await toldMeanwhile()]
  while (told.at(-1) !== 0 && told.length < 3) told.push(await toldMeanwhile())
  expect(told).toContain(0)
})

test('a text that has not the hash of its pointer is never taken, wherever it comes from', async () => {
  const { hash } = await publishDocument(world, 'flags', flagsSaying('first'))
  const forged = JSON.stringify({ format: 1, document: { attributes: {}, audiences: {}, flags: {}, experiments: {} } })
  const liar = await startStandIn(async (request, response) => {
    if (request.url?.startsWith('/internal/content/')) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ compiled: forged }))
      return
    }
    const headers = Object.entries(request.headers).flatMap(([name, value]) =>
      typeof value === 'string' && name !== 'host' && name !== 'connection' ? [[name, value] as [string, string]] : [],
    )
    const answer = await fetch(world.coreUrl + request.url, { headers })
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
  })
  stops.push(liar.stop)
  await kept().keep(`last:content/${hash}`, { text: forged, lifeMs: 60_000 })
  const [url] = await startDataCentre(1, liar.url)
  expect(await greet(url)).toMatchObject({ status: 503, retryAfter: '1' })
  // The true one from the last tier, past a core that lies.
  const [honest] = await startDataCentre(1)
  await greet(honest)
  const [row] = await world.sql`select compiled from content_versions where hash = ${hash}`
  await kept().keep(`last:content/${hash}`, { text: row?.compiled, lifeMs: 60_000 })
  await expect.poll(() => greet(url), { timeout: 5_000 }).toMatchObject({ status: 200, value: 'first' })
})

test('a pointer that goes back, as behind a replica that lags or a restored backup, changes nothing', async () => {
  await publishDocument(world, 'flags', flagsSaying('first'))
  await publishDocument(world, 'flags', flagsSaying('second'))
  const [url] = await startDataCentre(1)
  expect(await greet(url)).toMatchObject({ value: 'second', number: 2 })
  await world.sql`delete from content_versions where number = 2`
  const asked = core.requestsOf(documentsPath)
  await expect
    .poll(
      async () => {
        expect(await greet(url)).toMatchObject({ value: 'second', number: 2 })
        return core.requestsOf(documentsPath)
      },
      { timeout: 15_000, interval: 100 },
    )
    .toBeGreaterThan(asked + 1)
})

test('a document of a format that this release does not read is not taken, and what was good stays', async () => {
  await publishDocument(world, 'flags', flagsSaying('first'))
  const [url] = await startDataCentre(1)
  expect(await greet(url)).toMatchObject({ value: 'first', number: 1 })
  const text = '{"format":2,"document":{}}'
  await world.sql`insert into content_versions (kind, number, version, hash, document, compiled, author, note, published_at)
    select kind, 2, version + 1, encode(sha256(${text}::text::bytea), 'hex'), '{}', ${text}, author, note, published_at from content_versions`
  const asked = core.requestsOf(documentsPath)
  await expect
    .poll(
      async () => {
        expect(await greet(url)).toMatchObject({ value: 'first', number: 1 })
        return core.requestsOf(documentsPath)
      },
      { timeout: 15_000, interval: 100 },
    )
    .toBeGreaterThan(asked + 1)
  await publishDocument(world, 'flags', flagsSaying('third'))
  await expect.poll(() => greet(url), { timeout: 15_000 }).toMatchObject({ value: 'third', number: 3 })
})

test('where the nearest core is gone the next one tells of what is published, then and from then on', async () => {
  await publishDocument(world, 'flags', flagsSaying('first'))
  const gone = `http://127.0.0.1:${await freePort()}`
  const edge = await startExtraEdge(world, { cores: { us1: gone, [cell]: core.url }, upstash: false })
  stops.push(edge.stop)
  expect(await greet(edge.url)).toMatchObject({ status: 200, value: 'first', number: 1 })
  await publishDocument(world, 'flags', flagsSaying('second'))
  await expect.poll(() => greet(edge.url), { timeout: 15_000 }).toMatchObject({ value: 'second', number: 2 })
})
