import { afterAll, beforeAll, expect, test } from 'vitest'
import { documentBytesMax } from '#contract/content.ts'
import { flagOf, ifMatch, type Operator } from './content-calls.ts'
import { startWorld, type World } from './harness.ts'
import { outcomeOf } from './outcome.ts'
import { problemOf } from './refusals.ts'

const flags = { params: { kind: 'flags' } } as const
const path = '/v1/admin/content/flags/draft'
const envelopeBytes = '{"document":}'.length

let world: World
let operator: Operator
beforeAll(async () => {
  world = await startWorld()
  operator = world.client({ bearer: world.keys.operator })
})
afterAll(() => world?.stop())

/** A request with a body as it is written. */
const put = (body: string | ReadableStream<Uint8Array>, { method = 'PUT' }: { readonly method?: string } = {}) =>
  new Request(world.edgeUrl + path, {
    method,
    headers: {
      authorization: `Bearer ${world.keys.operator}`,
      'content-type': 'application/json',
      'if-match': '*',
    },
    body,
    ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
  })

const nested = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`

const ugly: readonly (readonly [what: string, document: string])[] = [
  ['a NUL in a text', '{"a":"\\u0000"}'],
  ['a NUL in a name', '{"a\\u0000":1}'],
  ['half a surrogate pair', '{"a":{"b":["\\ud800"]}}'],
  ['half a surrogate pair in a name', '{"\\udc00":1}'],
  ['a prototype', '{"__proto__":{"a":1}}'],
  ['a prototype inside', '{"flags":{"__proto__":{"a":1}}}'],
  ['a number that no client has', '{"a":9007199254740993}'],
  ['a number beyond all', '{"a":1e400}'],
  ['a list', '[]'],
  ['nothing', 'null'],
  ['a text', '"{}"'],
]

test.each(ugly)('%s is no draft, whole or as a patch', async (_, document) => {
  for (const [method, member] of [
    ['PUT', 'document'],
    ['PATCH', 'patch'],
  ] as const) {
    const problem = await problemOf(put(`{"${member}":${document}}`, { method }))
    expect([problem.code, problem.errors?.[0]?.pointer]).toEqual(['invalid_request', `/${member}`])
  }
})

test('a draft is up to 31 levels deep, and deeper ones are refused before they are read', async () => {
  expect((await problemOf(put(`{"document":${nested(32)}}`))).code).toBe('invalid_request')
  expect((await problemOf(put(`{"document":${nested(100_000)}}`))).code).toBe('invalid_request')
  expect((await fetch(put(`{"document":${nested(31)}}`))).status).toBe(200)
  expect((await fetch(put(`{"patch":${nested(31).replaceAll('a', 'b')}}`, { method: 'PATCH' }))).status).toBe(200)
  expect((await operator.diffDraft(flags)).body.faults.map(({ pointer }) => pointer)).toEqual(['/a', '/b'])
})

test('names that every object has are names like others', async () => {
  const named = { constructor: flagOf(), 'to-string': flagOf() }
  const experiment = {
    flag: 'constructor',
    state: 'running',
    trafficBasisPoints: 10_000,
    split: [{ variant: 'on', basisPoints: 10_000 }],
  }
  const document = { flags: named, experiments: { constructor: experiment } }
  await operator.putDraft({ ...flags, body: { document } }, ifMatch('*'))
  expect((await operator.diffDraft(flags)).body.faults).toEqual([])
  await operator.putDraft({ ...flags, body: { document: { experiments: { constructor: experiment } } } }, ifMatch('*'))
  expect((await operator.diffDraft(flags)).body.faults).toEqual([
    { pointer: '/experiments/constructor/flag', detail: 'there is no such flag' },
  ])
})

/** A document of so many bytes as JSON, which can be published. */
const documentOf = (bytes: number): Record<string, unknown> => {
  const of = (fill: number[]) => ({
    flags: {
      big: {
        ...flagOf(),
        type: 'object',
        variants: { on: { fill: fill.map((length) => 'x'.repeat(length)) }, off: {} },
      },
    },
  })
  const bare = JSON.stringify(of([0])).length
  return of([bytes - bare])
}

test('a document of four MiB is drafted, compared, patched, published and read; a byte more is pointed at', {
  timeout: 60_000,
}, async () => {
  const document = documentOf(documentBytesMax)
  const text = JSON.stringify(document)
  expect(text).toHaveLength(documentBytesMax)
  const startedAt = performance.now()
  await operator.putDraft({ ...flags, body: { document } }, ifMatch('*'))
  const putMs = performance.now() - startedAt
  expect((await operator.diffDraft(flags)).body).toMatchObject({ faultsTotal: 0 })
  const { body } = await operator.publishContent({ ...flags, body: { note: 'big' } }, ifMatch('*'))
  expect((await operator.getDraft(flags)).body.document).toEqual(document)
  const number = body.version?.number ?? expect.fail('it is live')
  expect((await operator.getVersion({ params: { kind: 'flags', number } })).body.document).toEqual(document)
  console.log(
    `a document of 4 MiB: drafted in ${Math.round(putMs)} ms, all of it in ${Math.round(performance.now() - startedAt)} ms`,
  )

  const larger = await problemOf(put(`{"document":${JSON.stringify(documentOf(documentBytesMax + 1))}}`))
  expect(larger).toMatchObject({ code: 'invalid_request', errors: [{ in: 'body', pointer: '/document' }] })
  const patch = operator.patchDraft({ ...flags, body: { patch: { attributes: {} } } }, ifMatch('*'))
  await expect(patch).rejects.toMatchObject({
    code: 'content_invalid',
    problem: { faults: [{ pointer: '', detail: `more than ${documentBytesMax} bytes` }], faultsTotal: 1 },
  })
  // White space is of the body alone.
  expect((await fetch(put(`{"document":${text}${' '.repeat(65_536 - envelopeBytes)}}`))).status).toBe(200)
})

test('a body above the bound of its route is 413 with the bound, its length stated or not; others keep theirs', async () => {
  const limitBytes = documentBytesMax + 65_536
  const tooLong = `{"document":{"a":"${'x'.repeat(limitBytes)}"}}`
  const chunked = new ReadableStream<Uint8Array>({
    start: (controller) => {
      for (let at = 0; at < tooLong.length; at += 65_536)
        controller.enqueue(Buffer.from(tooLong.slice(at, at + 65_536)))
      controller.close()
    },
  })
  for (const body of [tooLong, chunked])
    expect(await problemOf(put(body))).toMatchObject({ code: 'body_too_large', limitBytes })
  const core = await world.askCore({
    method: 'PUT',
    path,
    principal: { kind: 'operator' },
    headers: { 'content-type': 'application/json', authorization: `Bearer ${world.keys.operator}`, 'if-match': '*' },
    body: tooLong,
  })
  expect(core.status).toBe(413)
  const note = 'x'.repeat(65_536)
  const other = operator.publishContent({ ...flags, body: { note } }, ifMatch('*'))
  await expect(other).rejects.toMatchObject({ code: 'body_too_large', problem: { limitBytes: 65_536 } })
})

test('what is said of a body does not grow with the names in it that nobody knows', async () => {
  const names = Array.from({ length: 2_000 }, (_, at) => `${at}${'x'.repeat(1_000)}`)
  const unknown = Object.fromEntries(names.map((name) => [name, 1]))
  const response = await fetch(put(JSON.stringify({ document: {}, ...unknown })))
  expect([response.status, (await response.text()).length < 50_000]).toEqual([400, true])
  await operator.putDraft({ ...flags, body: { document: unknown } }, ifMatch('*'))
  const { faults, faultsTotal } = (await operator.diffDraft(flags)).body
  expect([faultsTotal, JSON.stringify(faults).length < 250_000]).toEqual([2_000, true])
  expect(await outcomeOf(operator.publishContent({ ...flags, body: { note: 'x' } }, ifMatch('*')))).toBe(
    'content_invalid',
  )
})
