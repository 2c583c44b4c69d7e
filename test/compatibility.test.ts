import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Schema, schemaSchema } from '#contract/compatibility/documents.ts'
import { describeBreaks, findBreaks } from '#contract/compatibility.ts'
import { currentPath, type PublishedFile, publishedFiles, releasedPath } from '#contract/write-documents.ts'
import { answerChanges } from './changes/answer-changes.ts'
import { type Change, edited, put, text } from './changes/change.ts'
import { eventChanges, wallet } from './changes/event-changes.ts'
import { requestChanges } from './changes/request-changes.ts'
import { isValid, schemas, values } from './json-schema.ts'
import { copyWorktree, type Worktree } from './worktree.ts'

const read = async (path: URL): Promise<unknown> => JSON.parse(await readFile(path, 'utf8'))
const documents = {
  'openapi.json': await read(currentPath('openapi.json')),
  'events.json': await read(currentPath('events.json')),
}

test.each(publishedFiles)('%s keeps what the last release promised', async (file) => {
  const breaks = findBreaks[file]({ released: await read(releasedPath(file)), current: documents[file] })
  expect(breaks.length, describeBreaks(file, breaks)).toBe(0)
})

const check = (file: PublishedFile, { given = [], edits, breaks }: Change) => {
  const released = edited(documents[file], given)
  const found = findBreaks[file]({ released, current: edited(released, edits) })
  expect(found).toEqual(breaks.map(([at, fact]) => ({ pointer: `#${at}`, what: expect.stringContaining(fact) })))
}

describe('of an event', () => {
  test.each(eventChanges)('$name', (change) => check('events.json', change))
})
describe('of an answer', () => {
  test.each(answerChanges)('$name', (change) => check('openapi.json', change))
})
describe('of a request', () => {
  test.each(requestChanges)('$name', (change) => check('openapi.json', change))
})

test('every keyword that the gate judges stands in a change of this table', () => {
  const remarks = ['title', 'description', '$comment', 'examples', 'deprecated']
  const tried = JSON.stringify([eventChanges, answerChanges, requestChanges])
  const untried = Object.keys(schemaSchema.shape).filter((keyword) => !remarks.includes(keyword))
  expect(untried.filter((keyword) => !tried.includes(`"${keyword}":`) && !tried.includes(`/${keyword}"`))).toEqual([])
})

const unknown = [
  ['events.json', `${wallet}/properties/reason/not`, {}, 'not'],
  ['events.json', `${wallet}/properties/changes/items/properties/amount/multipleOf`, 5, 'multipleOf'],
  ['events.json', `${wallet}/properties/more`, { additionalProperties: { contains: {} } }, 'contains'],
  ['events.json', `${wallet}/properties/reason/type`, 'text', 'Invalid input'],
  ['events.json', '/$anchor', 'x', '$anchor'],
  ['openapi.json', '/components/schemas/Wallet/dependentRequired', {}, 'dependentRequired'],
  ['openapi.json', '/paths/~1v1~1wallet/get/callbacks', {}, 'callbacks'],
  ['openapi.json', '/paths/~1v1~1wallet/trace', {}, 'trace'],
  ['openapi.json', '/paths/~1v1~1wallet/get/responses/default', {}, 'Invalid key'],
  ['openapi.json', '/components/parameters/IfNoneMatch/style', 'form', 'style'],
  ['openapi.json', '/openapi', '3.2.0', 'expected'],
  ['openapi.json', '/webhooks', {}, 'webhooks'],
] as const

test.each(unknown)('%s with what the gate does not know does not pass: %s', (file, at, value, named) => {
  const strange = edited(documents[file], [put(at, value)])
  for (const pair of [
    { released: strange, current: documents[file] },
    { released: documents[file], current: strange },
    { released: strange, current: strange },
  ]) {
    const found = findBreaks[file](pair)
    expect(found.length).toBeGreaterThan(0)
    for (const { what } of found) expect(what).toMatch(/does not know \(.*\): teach contract\/compatibility/)
    expect(found.map(({ what }) => what).join()).toContain(named)
  }
})

const tagged = (kind: string) => ({ type: 'object', properties: { kind: { const: kind } } })
const overlapping: readonly (readonly [what: string, alternatives: readonly object[]])[] = [
  ['of one type', [text, { ...text, maxLength: 1 }]],
  ['of which one has a type of the other', [{ type: ['string', 'null'] }, text]],
  ['of which the other has a type of the one', [text, { type: ['string', 'null'] }]],
  ['that are numbers, whole or not', [{ type: 'integer' }, { type: 'number' }]],
  ['whose tag can be absent', [tagged('a'), tagged('b')]],
  ['that share a value', [{ enum: ['a', 'b'] }, { const: 'b' }]],
  ['that share a value, the other way about', [{ const: 'b' }, { enum: ['a', 'b'] }]],
  ['of which one lists a value of the other', [{ const: 'b' }, text]],
]

const contradictions = [
  ['a reference to nothing', { $ref: '#/$defs/Nothing' }, 'refers to #/$defs/Nothing, which the document lacks'],
  ['a schema that is itself', { $ref: '#/$defs/Loop' }, 'consists of itself'],
  ...overlapping.map(
    ([what, oneOf]) => [`a oneOf with alternatives ${what}`, { oneOf }, 'tell its alternatives'] as const,
  ),
] as const

test.each(contradictions)('%s stops the gate', (_, schema, message) => {
  const edits = [put(`${wallet}/properties/more`, schema), put('/$defs/Loop', { $ref: '#/$defs/Loop' })]
  const strange = edited(documents['events.json'], edits)
  expect(() => findBreaks['events.json']({ released: strange, current: strange })).toThrow(message)
})

test('a problem that fixes no code, and a header that is nowhere, stop the gate', () => {
  const api = documents['openapi.json']
  const loose = edited(api, [put('/components/schemas/NotFoundProblem', { $ref: '#/components/schemas/Problem' })])
  expect(() => findBreaks['openapi.json']({ released: api, current: loose })).toThrow(/fixes no code/)
  const lost = edited(api, [put('/paths/~1docs/get/responses/200/headers/X', { $ref: '#/components/headers/X' })])
  expect(() => findBreaks['openapi.json']({ released: lost, current: lost })).toThrow(/which the document lacks/)
})

const seed = Date.now() % 2 ** 31

/** The smallest documents in which a schema travels to readers, and to us. */
const eventOf = (data: Schema) => ({
  $defs: { 'perigee.thing.happened.v1': { 'x-perigee-aggregate': 'thing:{id}', allOf: [data] } },
})
const callOf = (schema: Schema) => {
  const requestBody = { content: { 'application/json': { schema } } }
  return {
    openapi: '3.1.0',
    info: { version: '0.0.0' },
    paths: { '/v1/things': { post: { operationId: 'createThing', security: [], responses: {}, requestBody } } },
    components: { schemas: {}, securitySchemes: {}, headers: {}, parameters: {} },
  }
}
const readersBreak = (released: Schema, current: Schema) =>
  findBreaks['events.json']({ released: eventOf(released), current: eventOf(current) })
const callersBreak = (released: Schema, current: Schema) =>
  findBreaks['openapi.json']({ released: callOf(released), current: callOf(current) })

test('a schema is compatible with itself, whatever it is and whichever way it travels', () => {
  fc.assert(
    fc.property(schemas, (schema) => {
      expect(readersBreak(schema, schema)).toEqual([])
      expect(callersBreak(schema, schema)).toEqual([])
    }),
    { seed, numRuns: 300 },
  )
})

test('to ask one thing more breaks no reader, and to take one thing more no caller', () => {
  fc.assert(
    fc.property(schemas, schemas, (schema, more) => {
      expect(readersBreak(schema, { allOf: [schema, more] })).toEqual([])
      expect(readersBreak({ anyOf: [schema, more] }, schema)).toEqual([])
      expect(callersBreak(schema, { anyOf: [schema, more] })).toEqual([])
    }),
    { seed, numRuns: 300 },
  )
})

test('where the gate finds nothing, no value can arrive that could not before, and none is refused that was taken', () => {
  const passed = { readers: 0, callers: 0 }
  fc.assert(
    fc.property(schemas, schemas, (released, current) => {
      const beyond = (a: Schema, b: Schema) => values.filter((value) => isValid(a, value) && !isValid(b, value))
      if (readersBreak(released, current).length === 0) {
        passed.readers++
        expect(beyond(current, released)).toEqual([])
      }
      if (callersBreak(released, current).length === 0) {
        passed.callers++
        expect(beyond(released, current)).toEqual([])
      }
    }),
    { seed, numRuns: 1_000 },
  )
  console.log(`compatibility: of 1000 pairs ${passed.readers} passed for readers, ${passed.callers} for callers`)
  expect(Math.min(passed.readers, passed.callers), 'pairs that say something').toBeGreaterThan(20)
})

describe('npm run released', () => {
  let copy: Worktree
  beforeAll(async () => {
    copy = await copyWorktree()
  })
  afterAll(() => copy?.remove())

  const release = () => copy.run('node', ['contract/write-released.ts'], 30_000)
  const generate = () => copy.run('node', ['contract/write-documents.ts'], 30_000)
  const kept = (file: string) => readFile(join(copy.folder, 'contract/released', file), 'utf8')

  test('keeps the documents of a version once, and none that have drifted or break a promise', {
    timeout: 120_000,
  }, async () => {
    await copy.replace('package.json', '"version": "', '"version": "9')
    expect(await release()).toMatchObject({ code: 1, output: expect.stringContaining('has drifted') })
    await generate()
    expect((await release()).code).toBe(0)
    for (const file of publishedFiles)
      expect(await kept(file)).toBe(await readFile(join(copy.folder, 'contract', file), 'utf8'))
    expect(await release()).toMatchObject({ code: 1, output: expect.stringContaining('has been released already') })

    const before = await kept('events.json')
    await copy.replace('contract/events.ts', 'reason: z.string(),', 'reason: z.string().nullable(),')
    await copy.replace('package.json', '"version": "9', '"version": "99')
    await generate()
    const refused = await release()
    expect(refused.code).toBe(1)
    expect(refused.output).toContain(`#${wallet}/properties/reason: a value of type null is now possible`)
    expect(await kept('events.json')).toBe(before)
  })
})
