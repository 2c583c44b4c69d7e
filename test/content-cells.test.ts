import { afterAll, beforeAll, expect, test } from 'vitest'
import { documentBytesMax } from '#contract/content.ts'
import { newId } from '#contract/ids.ts'
import { sha256 } from '#core/secrets.ts'
import { tellEverything } from '#core/tell-everything.ts'
import { type Cells, startCells } from './cells.ts'
import { flagOf, ifMatch, publishNew } from './content-calls.ts'
import { eventually } from './eventually.ts'
import { outcomeOf } from './outcome.ts'
import type { WorldCell } from './world-cell.ts'

const eu = 0
const us = 1
const flags = { params: { kind: 'flags' } } as const
/** How long what is published in the control cell may take to be known in another, also the largest, on a busy machine. */
const heardMaxMs = 15_000

let world: Cells
beforeAll(async () => {
  world = await startCells(['eu1', 'us1'])
})
afterAll(() => world?.stop())

const cellAt = (cells: Cells, at: number): WorldCell => cells.cells[at] ?? expect.fail('the cell was started')

/** What edges ask a cell's core for. */
const ask = async (cell: WorldCell, path: string): Promise<Readonly<Record<string, unknown>>> => {
  const response = await cell.askCore({ method: 'GET', path, principal: { kind: 'public' } })
  return (await response.json()) as Readonly<Record<string, unknown>>
}

const pointersOf = (cell: WorldCell) => ask(cell, '/internal/documents/content')

/** Resolves when a cell names the same documents as the control cell. Answers how long that took. */
const heard = (cells: Cells) =>
  eventually(async () => {
    const [control, follower] = [await pointersOf(cellAt(cells, eu)), await pointersOf(cellAt(cells, us))]
    return JSON.stringify(control) === JSON.stringify(follower)
  }, heardMaxMs)

const one = (over: object = {}) => ({ flags: { 'new-shop': flagOf(over) } })

/** As large as a document may be, of what JSON in JSON makes as large as it can. */
const largest = () => {
  const of = (text: string) => ({
    flags: { big: { ...flagOf(), type: 'string', variants: { on: text, off: '' } } },
  })
  const left = documentBytesMax - JSON.stringify(of('')).length
  return of('"'.repeat(Math.floor(left / 2)))
}

/** Publishes by way of the far edge, and has the text that both cells hand out. */
const publishFar = async (cells: Cells, document: Record<string, unknown>) => {
  const { hash } = await publishNew(cells.client(us, cells.keys.operator), 'flags', document)
  const heardMs = await heard(cells)
  const texts = await Promise.all(cells.cells.map((cell) => ask(cell, `/internal/content/${hash}`)))
  expect(sha256(String(texts[us]?.compiled))).toBe(hash)
  expect(texts[us]).toEqual(texts[eu])
  return heardMs
}

test('what is published is authored in the control cell and known in the other one, also the largest', {
  timeout: 60_000,
}, async () => {
  const smallMs = await publishFar(world, one())
  const largeMs = await publishFar(world, largest())
  await publishFar(world, one({ default: 'on' }))
  console.log(
    `in the other cell a document was known after ${Math.round(smallMs)} ms, the largest after ${Math.round(largeMs)} ms`,
  )
  const rows = await cellAt(world, us).sql`select document, note from content_versions where kind = 'flags'`
  expect(rows).toEqual([{ document: null, note: 'test' }])
  const { status } = await cellAt(world, us).askCore({
    method: 'GET',
    path: '/v1/admin/content/flags',
    principal: { kind: 'operator' },
    headers: { authorization: `Bearer ${world.keys.operator}` },
  })
  expect(status).toBe(404)
})

test('a cell that follows outlives the control cell, and nothing is authored meanwhile', async () => {
  await publishFar(world, one())
  const before = await pointersOf(cellAt(world, us))
  await cellAt(world, eu).stopCore()
  try {
    expect(await pointersOf(cellAt(world, us))).toEqual(before)
    const { hash } = before.flags as { readonly hash: string }
    expect(await ask(cellAt(world, us), `/internal/content/${hash}`)).toEqual({ compiled: expect.any(String) })
    const far = world.client(us, world.keys.operator)
    expect(await outcomeOf(far.putDraft({ ...flags, body: { document: {} } }, ifMatch('*')))).toBe('unavailable')
  } finally {
    cellAt(world, eu).restartCore()
  }
})

test('a cell that comes later is told what is live', async () => {
  const operator = () => world.client(eu, world.keys.operator)
  await eventually(async () => (await outcomeOf(operator().getContent(flags))) === 'served', heardMaxMs)
  await publishNew(operator(), 'flags', one({ enabled: false }))
  await publishNew(operator(), 'live-events', { events: {} })
  await heard(world)
  await cellAt(world, us).sql`delete from content_versions`
  expect(await pointersOf(cellAt(world, us))).toEqual({})
  const control = cellAt(world, eu)
  const origin = { cell: control.cell, now: new Date(world.clock()) }
  const [{ things } = expect.fail('it counts')] = await control.sql<{ things: number }[]>`select
    (select count(*) from api_keys)::int + (select count(*) from currencies)::int + (select count(*) from credentials)::int as things`
  expect(await tellEverything(control.database.db, origin)).toBe(things + 2)
  await heard(world)
})

type State = { readonly number: number; readonly version: number; readonly text: string }

/** Hands a cell what another one says of a document. */
const tell = async ({ number, version, text }: State): Promise<number> => {
  const control = cellAt(world, eu).cell
  const data = {
    ...{ kind: 'live-events', number, hash: sha256(text), compiled: text, author: 'command', note: 'x' },
    ...{ rolledBackTo: null, publishedAt: new Date(0).toISOString() },
  }
  const { status } = await cellAt(world, us).askCore({
    method: 'POST',
    path: '/internal/replication',
    principal: { kind: 'cell', cell: control },
    body: JSON.stringify({
      orderingKey: 'x',
      attributes: {
        'ce-id': newId('event', control, Date.now()),
        'ce-type': 'perigee.replica.content.v1',
        'ce-subject': 'content:live-events',
        'ce-aggregateversion': String(version),
      },
      data: Buffer.from(JSON.stringify(data)).toString('base64'),
    }),
  })
  return status
}

const permutations = <Value>(values: readonly Value[]): Value[][] =>
  values.length === 0
    ? [[]]
    : values.flatMap((value, at) => permutations(values.toSpliced(at, 1)).map((rest) => [value, ...rest]))

test('a follower keeps the greatest version, in whatever order and however often they come, also behind a restored backup', async () => {
  const { sql } = cellAt(world, us)
  // The control cell came back without number 8, and has used it again, and 9 after that.
  const states = [
    { number: 7, version: 70, text: '{"a":1}' },
    { number: 8, version: 80, text: '{"a":2}' },
    { number: 7, version: 90, text: '{"a":3}' },
    { number: 8, version: 100, text: '{"a":4}' },
  ]
  for (const order of permutations(states)) {
    await sql`delete from content_versions where kind = 'live-events'`
    for (const state of [...order, ...order.slice(0, 2)]) expect(await tell(state)).toBe(200)
    const rows = await sql`select number, version::int, compiled from content_versions where kind = 'live-events'`
    expect(rows, JSON.stringify(order)).toEqual([{ number: 8, version: 100, compiled: '{"a":4}' }])
  }
  for (let round = 0; round < 10; round++) {
    await sql`delete from content_versions where kind = 'live-events'`
    expect(await Promise.all(states.map(tell))).toEqual(states.map(() => 200))
    const rows = await sql`select version::int from content_versions where kind = 'live-events'`
    expect(rows).toEqual([{ version: 100 }])
  }
})

test('without Pub/Sub the control cell hands documents over itself, also the largest', {
  timeout: 90_000,
}, async () => {
  const apart = await startCells(['eu1', 'us1'], { bus: 'direct' })
  try {
    await publishFar(apart, one())
    const largeMs = await publishFar(apart, largest())
    console.log(`without Pub/Sub the largest document was known in the other cell after ${Math.round(largeMs)} ms`)
  } finally {
    await apart.stop()
  }
})
