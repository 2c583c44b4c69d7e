import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '#contract/ids.ts'
import { fill, type Route } from '#contract/route.ts'
import { spoilt, valuesOf } from './arbitraries.ts'
import { checkedFetch } from './checked-fetch.ts'
import { cell, type SignedIn, startWorld, type World } from './harness.ts'
import { publishExamples } from './published.ts'
import { makeSpareContent } from './spare-content.ts'
import { makeSpareSessions, type SpareSessions } from './spare-sessions.ts'
import { table, validCall } from './valid-call.ts'

/** `FUZZ_RUNS=200000 FUZZ_SEED=1 npx vitest run test/fuzz.test.ts` is the long form, with a seed of its own; the short form is the same each time. */
const runs = Number(process.env.FUZZ_RUNS ?? 2_400)
const seed = Number(process.env.FUZZ_SEED ?? 20_261_124)
/** Requests under way: enough to keep two cores busy. */
const atOnce = 16
/** So many that none of them meets the edge's limit of a caller for long. */
const playersCount = 24

let world: World
let players: SignedIn[]
let spares: SpareSessions
beforeAll(async () => {
  world = await startWorld()
  await publishExamples(world)
  players = await Promise.all(Array.from({ length: playersCount }, () => world.signIn()))
  spares = await makeSpareSessions(world, runs)
  await makeSpareContent(world)
})
afterAll(() => world?.stop())

type Fuzzed = {
  readonly name: string
  readonly route: Route
  /** Who calls, and who is called upon. */
  readonly who: number
  readonly whom: number
  readonly params: Readonly<Record<string, unknown>>
  readonly query: readonly (readonly [string, string])[]
  readonly headers: Readonly<Record<string, string>>
  /** Whether the example of `valid-call` is sent, with nothing but headers and query added. */
  readonly asExample: boolean
  readonly credentials: 'own' | 'none' | 'others'
  readonly body: Uint8Array<ArrayBuffer> | undefined
}

const headerNames = [
  'accept',
  'authorization',
  'content-type',
  'cookie',
  'if-match',
  'if-none-match',
  'idempotency-key',
  'origin',
  'perigee-consistency',
  'perigee-principal',
  'perigee-floor',
  'range',
  'traceparent',
  'x-api-key',
  'x-request-id',
]
const headerValues = fc.oneof(
  fc.stringMatching(/^[!-~]([ -~]{0,60}[!-~])?$/),
  fc.string({
    minLength: 1,
    maxLength: 40,
    unit: fc.integer({ min: 0xa1, max: 0xff }).map((code) => String.fromCharCode(code)),
  }),
  fc.constantFrom(
    '*',
    '""',
    'W/"a"',
    'null',
    'https://game.example',
    'application/json',
    'k1.e30=.00',
    'x'.repeat(300),
    '0',
  ),
)
const headers = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  { weight: 2, arbitrary: fc.dictionary(fc.constantFrom(...headerNames), headerValues, { maxKeys: 2 }) },
  { weight: 1, arbitrary: fc.dictionary(fc.stringMatching(/^x-[a-z0-9-]{1,30}$/), headerValues, { maxKeys: 4 }) },
)

const encoded = (value: unknown) => new TextEncoder().encode(JSON.stringify(value) ?? '')

const bodiesOf = ({ body }: Route): fc.Arbitrary<Fuzzed['body']> => {
  if (!body) return fc.constant(undefined)
  const values = valuesOf(body)
  return fc.oneof(
    { weight: 4, arbitrary: values.map(encoded) },
    { weight: 5, arbitrary: spoilt(values).map(encoded) },
    { weight: 1, arbitrary: spoilt(spoilt(values)).map(encoded) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Uint8Array.from(bytes)) },
    { weight: 1, arbitrary: fc.json().map((text) => new TextEncoder().encode(text.slice(0, -1))) },
  )
}

const queriesOf = ({ query }: Route): fc.Arbitrary<Fuzzed['query']> => {
  const any = fc.array(fc.tuple(fc.string({ maxLength: 10 }), fc.string({ unit: 'binary', maxLength: 30 })), {
    maxLength: 3,
  })
  if (!query) return any
  const values = valuesOf(query)
  const entries = fc.oneof(values, spoilt(values)).map((value) => Object.entries(Object(value)))
  return fc.oneof(
    any,
    entries.map((all) => all.map(([name, value]) => [name.toWellFormed(), textOf(value)] as const)),
  )
}

const fuzzedOf = (name: string, route: Route): fc.Arbitrary<Fuzzed> =>
  fc.record({
    name: fc.constant(name),
    route: fc.constant(route),
    who: fc.nat(playersCount - 1),
    whom: fc.nat(playersCount),
    params: route.params
      ? (fc.oneof(valuesOf(route.params), spoilt(valuesOf(route.params))) as fc.Arbitrary<Fuzzed['params']>)
      : fc.constant({}),
    query: queriesOf(route),
    headers,
    asExample: fc.boolean(),
    credentials: fc.constantFrom('own', 'own', 'own', 'own', 'own', 'own', 'none', 'others'),
    body: bodiesOf(route),
  })

/** What takes more can go wrong in more ways. */
const weightOf = (route: Route) => (route.body ? 6 : 0) + (route.params ? 2 : 0) + (route.access === 'public' ? 1 : 2)

/** As a part of a path: anything but half of a surrogate pair, which no URL can hold. */
const textOf = (value: unknown) => (typeof value === 'string' ? value : `${JSON.stringify(value)}`).toWellFormed()

const requestOf = (fuzzed: Fuzzed, at: number): Request => {
  const { name, route, params, query, body, asExample } = fuzzed
  const [player, other] = [players[fuzzed.who], players[fuzzed.whom] ?? players[0]]
  if (!player || !other) throw new Error('there are players')
  const call = validCall({ world, player, spares }, name)
  // A random id is nobody's: every other call is about somebody.
  const somebody = at % 3 === 0 ? newId('player', cell, Date.now()) : other.playerId
  const example = call.path.replace(player.playerId, somebody)
  const names = Object.keys(route.params?.shape ?? {})
  const filled = fill(route.path, Object.fromEntries(names.map((key) => [key, textOf(Object(params)[key])])))
  const url = new URL(world.edgeUrl + (asExample || at % 2 === 0 ? example : filled))
  for (const [key, value] of query) url.searchParams.append(key, value)
  const { authorization, 'x-api-key': key, ...rest } = call.headers
  const credentials = {
    own: { ...(authorization ? { authorization } : {}), ...(key ? { 'x-api-key': key } : {}) },
    none: {},
    others: { authorization: `Bearer ${route.access === 'server' ? player.accessToken : world.keys.server}` },
  }
  return new Request(url, {
    method: route.method,
    headers: {
      // Each from another address, or the counters of addresses would answer.
      'cf-connecting-ip': `198.51.${(at >> 8) & 255}.${at & 255}`,
      ...rest,
      ...credentials[fuzzed.credentials],
      ...fuzzed.headers,
    },
    ...(route.body ? { body: asExample ? (call.body ?? '') : (body ?? '') } : {}),
  })
}

const describeCall = ({ name, headers, query, params, body }: Fuzzed, request: Request) =>
  `seed ${seed}: ${name} ${request.method} ${request.url} ${JSON.stringify({ headers, query, params })} ${body ? Buffer.from(body).toString('latin1').slice(0, 500) : ''}`

test(`of ${runs} generated calls none is answered with 5xx or outside of its schema`, {
  timeout: 60_000 + runs * 50,
}, async () => {
  const calls = fc.sample(
    fc.oneof(...table.map(([name, route]) => ({ weight: weightOf(route), arbitrary: fuzzedOf(name, route) }))),
    { seed, numRuns: runs },
  )
  const byStatus = new Map<string, number>()
  const byRoute = new Map(table.map(([name]) => [name, { served: 0, refused: 0 }]))
  const broken: string[] = []
  const startedAt = performance.now()

  const send = async (fuzzed: Fuzzed, at: number) => {
    const request = requestOf(fuzzed, at)
    const told = describeCall(fuzzed, request)
    try {
      const { status } = await checkedFetch(request)
      byStatus.set(String(status), (byStatus.get(String(status)) ?? 0) + 1)
      const count = byRoute.get(fuzzed.name)
      if (count) count[status < 400 ? 'served' : 'refused']++
      if (status >= 500) broken.push(`${status}: ${told}`)
    } catch (error) {
      broken.push(`${error instanceof Error ? error.message : error}: ${told}`)
    }
  }
  const queue = calls.entries()
  const worker = async () => {
    for (const [at, fuzzed] of queue) await send(fuzzed, at)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))

  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
  const statuses = JSON.stringify(Object.fromEntries([...byStatus].sort()))
  console.log(`contract-fuzz: seed ${seed}, ${calls.length} calls in ${seconds} s, by status ${statuses}`)
  console.log(`by route ${JSON.stringify(Object.fromEntries(byRoute))}`)
  expect(broken.slice(0, 20), `${broken.length} of ${calls.length}`).toEqual([])
  for (const [name, route] of table) {
    const { served, refused } = byRoute.get(name) ?? { served: 0, refused: 0 }
    expect(served, `${name} is served`).toBeGreaterThan(0)
    if (route.params || route.body || route.access !== 'public')
      expect(refused, `${name} is refused`).toBeGreaterThan(0)
  }
})
