import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLiveContent } from '#core/live-content.ts'
import { type Db, openDatabase } from '#db/client.ts'
import { createLog } from '#infra/log.ts'
import { startWorld, type World } from './harness.ts'
import { publishDocument } from './published.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({ bus: 'direct' })
})
afterAll(() => world?.stop())

const flagsNamed = (...keys: readonly string[]) => ({
  flags: Object.fromEntries(keys.map((key) => [key, { type: 'boolean', variants: { on: true }, default: 'on' }])),
})

/** A reader of its own, with a clock that stands, and what it has asked and logged. */
const makeReader = (db: Db = world.database.db) => {
  const told: string[] = []
  const counts = { queries: 0 }
  let now = 1_800_000_000_000
  const counting = new Proxy(db, {
    get: (target, name) => {
      if (name === 'select') counts.queries++
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const log = createLog({ service: 'test' }, (line) => told.push(line))
  const read = createLiveContent({ db: counting, log, clock: () => now })
  const advance = (ms: number) => {
    now += ms
  }
  return { read, counts, told, advance }
}

test('what is live is looked at once a second at the most, however many ask, and is the same until it changes', async () => {
  await publishDocument(world, 'flags', flagsNamed('one'))
  const { read, counts, advance } = makeReader()
  const [first, ...others] = await Promise.all(Array.from({ length: 50 }, () => read()))
  expect(first?.flags.keys).toEqual(['one'])
  for (const live of others) expect(live).toBe(first)
  const alone = makeReader()
  await alone.read()
  const ofOneLook = alone.counts.queries
  expect(counts.queries).toBe(ofOneLook)
  advance(999)
  expect(await read()).toBe(first)
  expect(counts.queries).toBe(ofOneLook)
  advance(1)
  expect(await read()).toBe(first)
  expect(counts.queries).toBeGreaterThan(ofOneLook)

  const { number } = await publishDocument(world, 'flags', flagsNamed('one', 'two'))
  expect(await read()).toBe(first)
  expect(await read(0)).toMatchObject({ flags: { keys: ['one', 'two'] }, numbers: { flags: number } })
})

test('while the database is away what was live last is live, and that is told; before the first look nothing is', async () => {
  await publishDocument(world, 'flags', flagsNamed('kept'))
  const own = openDatabase({
    ...{ url: world.databaseUrl, poolMax: 2, statementTimeoutMs: 5_000 },
    applicationName: 'test-live-content',
  })
  const { read, told, advance } = makeReader(own.db)
  const live = await read()
  await own.close(0)
  advance(1_000)
  expect(await read()).toBe(live)
  expect(told).toHaveLength(1)
  // Not asked again at once.
  expect(await read()).toBe(live)
  expect(told).toHaveLength(1)
  await expect(makeReader(own.db).read()).rejects.toThrow()
})

test('a document of a format that this core cannot read leaves what was there', async () => {
  await publishDocument(world, 'flags', flagsNamed('known'))
  const { read, told, advance } = makeReader()
  const live = await read()
  await world.sql`update content_versions set compiled = '{"format":99,"document":{}}', hash = repeat('0', 64),
    number = number + 1 where kind = 'flags' and number = (select max(number) from content_versions where kind = 'flags')`
  advance(1_000)
  expect(await read()).toBe(live)
  expect(told).toHaveLength(1)
})
