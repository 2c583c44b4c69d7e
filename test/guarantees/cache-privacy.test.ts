import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Route } from '#contract/route.ts'
import { checkedFetch } from '#test/checked-fetch.ts'
import { seed, sized, tell } from '#test/guarantee.ts'
import { type Guise, guisesOf, reads, spell } from '#test/guises.ts'
import { type SignedIn, startWorld, type World } from '#test/harness.ts'
import { publishExamples } from '#test/published.ts'
import { makeSpareContent } from '#test/spare-content.ts'
import { makeSpareSessions } from '#test/spare-sessions.ts'
import { requestOf, table, validCall, withHeaders } from '#test/valid-call.ts'

const pairs = sized({ short: 1_000, long: 20_000 })
/** So many that none meets the edge's limit of a caller. */
const playersCount = 16
const atOnce = 8

/** A player whose every text and number is theirs alone, so that a stray byte of theirs is recognised. */
type Person = SignedIn & { readonly marks: readonly string[] }

let world: World
let people: Person[]
/** What each read answers to each person, or about them where it is about somebody, when it is asked plainly. */
const truths = new Map<string, string>()
const truthKey = (name: string, person: Person) => `${name} ${person.playerId}`

const createPerson = async (_: unknown, at: number): Promise<Person> => {
  const player = await world.signIn()
  const displayName = `Name ${randomUUID().slice(0, 18)}`
  const secret = randomUUID()
  const amount = 1_000_003 + at * 7_919
  await player.client.updateOwnProfile({ body: { displayName, metadata: { secret }, timeZone: 'Europe/Berlin' } })
  await world.client({ bearer: world.keys.server }).createWalletTransaction({
    params: { playerId: player.playerId },
    body: { changes: [{ currency: 'coins', amount }], reason: 'test' },
  })
  const sessionId = player.refreshToken.split('.')[1] ?? ''
  return { ...player, marks: [player.playerId, sessionId, displayName, secret, String(amount)] }
}

beforeAll(async () => {
  world = await startWorld()
  await publishExamples(world)
  await makeSpareContent(world)
  people = await Promise.all(Array.from({ length: playersCount }, createPerson))
  for (const [name] of reads) {
    for (const person of people) {
      const { path, headers } = validCall({ world, player: person }, name)
      truths.set(
        truthKey(name, person),
        await (await checkedFetch(new Request(world.edgeUrl + path, { headers }))).text(),
      )
    }
  }
})
afterAll(() => world?.stop())

const attemptsMax = 5

type Asked = { readonly status: number; readonly text: string; readonly headers: Headers }

const ask = async (
  guise: Guise,
  { caller, other, about }: { caller: Person; other: Person; about: Person },
): Promise<Asked> => {
  const [name, route] = guise.read
  const meant: Record<string, string> = {
    '{id}': other.playerId,
    '{token}': other.accessToken,
    '{refresh}': other.refreshToken,
    '{session}': `player ${other.playerId} ${other.refreshToken.split('.')[1]} 0`,
  }
  const told = (value: string) => meant[value] ?? value
  const own = validCall({ world, player: caller }, name)
  const { path } = validCall({ world, player: route.params ? about : caller }, name)
  const url = new URL(world.edgeUrl + spell(path, guise.path))
  for (const [key, value] of guise.query) url.searchParams.append(key, told(value))
  const made = Object.entries(guise.headers).map(([key, value]) => [key, told(value)])
  // Not `checkedFetch`: its idea of which path is which route is that of plain spellings.
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(url, { headers: { ...Object.fromEntries(made), ...own.headers } })
    const asked = { status: response.status, text: await response.text(), headers: response.headers }
    // A core that is in this process may be late, which says nothing of who is answered with what.
    if (asked.status !== 503 || attempt === attemptsMax) return asked
  }
}

/** Whatever way it was asked: nothing of anybody whom the answer is not for. */
const expectOwn = (
  guise: Guise,
  { status, text, headers }: Asked,
  { caller, about }: { caller: Person; about: Person },
) => {
  const [name, { delivery, params }] = guise.read
  const where = `seed ${seed}: ${JSON.stringify(guise)} -> ${status} ${text.slice(0, 200)}`
  expect(status, where).toBeLessThan(500)
  expect(headers.get('cache-control'), where).toBe(
    delivery.kind === 'cached' && status < 400 ? 'private, no-cache' : 'no-store',
  )
  expect(headers.has('set-cookie'), where).toBe(false)
  const owner = params ? about : caller
  for (const person of people)
    if (person !== owner)
      for (const mark of person.marks) expect(text.includes(mark), `${mark} in ${where}`).toBe(false)
  if (status === 200) expect(text, where).toBe(truths.get(truthKey(name, owner)))
  if (delivery.kind === 'direct') {
    // A tag is there to be sent back as If-Match, never to keep the answer by.
    const revision = status === 200 ? JSON.parse(text).revision : undefined
    const etag = revision === undefined ? null : `"${revision}"`
    expect([headers.get('cache-status'), headers.get('age'), headers.get('etag')], where).toEqual([null, null, etag])
  }
}

test('over many pairs of callers nobody is answered with what is another’s, however it is asked', {
  timeout: 60_000 + pairs * 60,
}, async () => {
  const sample = fc.sample(guisesOf(playersCount), { seed, numRuns: pairs })
  const coreBefore = world.coreRequests()
  const byStatus = new Map<string, number>()
  let direct = 0
  const startedAt = performance.now()
  const pick = (at: number): Person => {
    const person = people[at % playersCount]
    if (!person) throw new Error('there are people')
    return person
  }
  const queue = sample.values()
  const worker = async () => {
    for (const guise of queue) {
      const [a, b, about] = [pick(guise.first), pick(guise.first + guise.second), pick(guise.about)]
      const asA = () => ask(guise, { caller: a, other: b, about })
      const asB = () => ask(guise, { caller: b, other: a, about })
      const [answerA, answerB] = guise.together ? await Promise.all([asA(), asB()]) : [await asA(), await asB()]
      expectOwn(guise, answerA, { caller: a, about })
      expectOwn(guise, answerB, { caller: b, about })
      if (guise.read[1].params && answerA.status === 200 && answerB.status === 200)
        expect(answerA.text).toBe(answerB.text)
      for (const { status } of [answerA, answerB]) {
        const key = `${guise.read[1].delivery.kind} ${status}`
        byStatus.set(key, (byStatus.get(key) ?? 0) + 1)
        if (guise.read[1].delivery.kind === 'direct' && status === 200) direct++
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
  tell('cache-privacy', {
    pairs,
    routes: reads.length,
    ...Object.fromEntries([...byStatus].sort()),
    'bodies of another': 0,
    seconds,
  })
  // Every direct answer was made by the core for this request.
  expect(world.coreRequests() - coreBefore).toBeGreaterThanOrEqual(direct)
  expect(direct).toBeGreaterThan(pairs / 4)
})

test('after all of that a plain read is answered as before, to each of them', async () => {
  for (const [name] of reads) {
    for (const person of people) {
      const { path, headers } = validCall({ world, player: person }, name)
      const response = await checkedFetch(new Request(world.edgeUrl + path, { headers }))
      expect([response.status, await response.text()]).toEqual([200, truths.get(truthKey(name, person))])
    }
  }
})

/** What may keep an answer, by delivery: nobody, the client that asks again before it uses it, or, for what is public, anyone. */
const cacheControlOf = ({ delivery, access }: Route): string => {
  switch (delivery.kind) {
    case 'cached':
      return access === 'public' ? 'public, no-cache' : 'private, no-cache'
    case 'local':
      if ('evaluates' in delivery) return delivery.evaluates === 'flags' ? 'private, no-cache' : 'no-store'
      return 'asset' in delivery ? 'public, max-age=300' : 'public, max-age=10'
    default:
      return 'no-store'
  }
}

test.each(table)('every answer of %s says who may keep it, and a refusal is kept by nobody', async (name, route) => {
  const player = people[0] ?? expect.fail('there are people')
  const cast = { world, player, spares: await makeSpareSessions(world, 2) }
  const call = validCall(cast, name)
  const answer = await fetch(requestOf(world.edgeUrl, call))
  expect([answer.status, answer.headers.get('cache-control')]).toEqual([route.status, cacheControlOf(route)])

  const stranger = withHeaders(validCall(cast, name), { authorization: undefined, 'x-api-key': undefined })
  const refusal = await fetch(requestOf(world.edgeUrl, stranger))
  const isOpen = route.access === 'public'
  expect(refusal.status).toBe(isOpen ? route.status : 401)
  expect(refusal.headers.get('cache-control')).toBe(isOpen ? cacheControlOf(route) : 'no-store')

  const misspelt = await fetch(new Request(requestOf(world.edgeUrl, call), { method: 'OPTIONS' }))
  expect([misspelt.status, misspelt.headers.get('cache-control')]).toEqual([405, 'no-store'])
})
