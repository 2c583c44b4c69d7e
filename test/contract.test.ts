import { readdir, readFile } from 'node:fs/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import * as z from 'zod'
import {
  type EdgePrincipal,
  encodeMoved,
  encodePrincipal,
  encodeSignature,
  parseMoved,
  parsePrincipal,
  parseSignature,
} from '#contract/edge-request.ts'
import { type ErrorCode, errors, isErrorCode, problemType } from '#contract/errors.ts'
import { defineEvent, events } from '#contract/events.ts'
import {
  cellOf,
  cellSchema,
  eventIdSchema,
  keyIdSchema,
  newId,
  playerIdSchema,
  sessionIdSchema,
  transactionIdSchema,
} from '#contract/ids.ts'
import { Fault, problemHead, problemSchema, problemText } from '#contract/problem.ts'
import { bySpecificity, cached, defineRoute, direct, forwarded, type Route } from '#contract/route.ts'
import { routes } from '#contract/routes.ts'
import { refusedItemSchema } from '#contract/split.ts'
import { versionLifeMs } from '#infra/upstash.ts'

const table = Object.entries<Route>(routes)
const codes = Object.keys(errors).filter(isErrorCode)
const seed = Date.now() % 2 ** 31
const property = <Ts extends [unknown, ...unknown[]]>(
  ...args: [...{ [K in keyof Ts]: fc.Arbitrary<Ts[K]> }, (...values: Ts) => void]
) => fc.assert(fc.property(...args), { seed, numRuns: 1_000 })

const pages = new URL('../docs/errors/', import.meta.url)

test('every code has a page, and every page a code', async () => {
  const files = (await readdir(pages)).filter((name) => name !== 'README.md')
  expect(files.toSorted()).toEqual(codes.map((code) => `${code}.md`).toSorted())
})

test.each(codes)('the page of %s says what the table says, and its example is such a problem', async (code) => {
  const page = await readFile(new URL(`${code}.md`, pages), 'utf8')
  const { status, title, retryable, ...more } = errors[code]
  expect(/^# (.+)$/m.exec(page)?.[1]).toBe(code)
  expect(page).toContain(`**${status}** · ${retryable ? 'retryable' : 'not retryable'} · ${title}.`)
  const example = JSON.parse(/```json\n([\s\S]+?)```/.exec(page)?.[1] ?? 'null')
  expect(problemSchema.parse(example)).toMatchObject({ type: problemType(code), title, status, code })
  z.object('extras' in more ? more.extras : {}).parse(example)
})

test('the catalogue of docs/events.md names every event with its subject, and no other', async () => {
  const catalogue = await readFile(new URL('../docs/events.md', import.meta.url), 'utf8')
  const rows = [...catalogue.matchAll(/^\| `(perigee\..+?)` \| `(.+?)` \|/gm)].map(([, type, subject]) => [
    type,
    subject,
  ])
  expect(rows.toSorted()).toEqual(
    Object.entries(events)
      .map(([type, { aggregate }]) => [type, aggregate])
      .toSorted(),
  )
})

test('an event about a member that its data lacks does not compile', () => {
  const data = z.object({ playerId: playerIdSchema })
  expect(defineEvent({ description: '', aggregate: 'player:{playerId}', data }).aggregate).toBe('player:{playerId}')
  // @ts-expect-error: the data has no such member.
  defineEvent({ description: '', aggregate: 'player:{id}', data })
})

test('the address of a code’s page is a path that the table serves', () => {
  const { file } = routes.getErrorPage.params.shape
  for (const code of codes) {
    expect(problemType(code)).toBe(`/docs/errors/${code}.md`)
    expect(file.parse(problemType(code).replace('/docs/errors/', ''))).toBe(`${code}.md`)
  }
})

const cells = fc.stringMatching(/^[a-z]{2,6}[0-9]{1,2}$/).map((text) => cellSchema.parse(text))
/** 48 bits of milliseconds: the year 10889. */
const times = fc.integer({ min: 0, max: 2 ** 48 - 1 })
const kinds = {
  player: playerIdSchema,
  session: sessionIdSchema,
  transaction: transactionIdSchema,
  event: eventIdSchema,
  key: keyIdSchema,
} as const
const kindNames = fc.constantFrom('player', 'session', 'transaction', 'event', 'key')

test('a new id passes its own schema and no other, and names its cell', () => {
  property(kindNames, cells, times, (kind, cell, ms) => {
    const id = newId(kind, cell, ms)
    for (const [name, schema] of Object.entries(kinds)) expect(schema.safeParse(id).success).toBe(name === kind)
    expect(id.split('_')[1]).toBe(cell)
  })
  property(cells, times, (cell, ms) => {
    expect(cellOf(newId('player', cell, ms))).toBe(cell)
    expect(cellOf(newId('session', cell, ms))).toBe(cell)
  })
})

test('ids of one cell are ordered by their time, byte by byte, to the millisecond', () => {
  const steps = fc.oneof(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 2 ** 47 }))
  property(kindNames, cells, times, steps, (kind, cell, ms, step) => {
    const [earlier, later] = [newId(kind, cell, ms), newId(kind, cell, Math.min(ms + step, 2 ** 48 - 1))]
    if (ms + step < 2 ** 48) expect(earlier < later, `${earlier} ${later}`).toBe(true)
  })
})

test('a problem begins with the head of its code, which SQL completes to the same document', () => {
  property(fc.constantFrom(...codes), fc.string(), fc.uuid(), (code, detail, requestId) => {
    const text = problemText(new Fault<ErrorCode>(code, { detail }), requestId)
    expect(text.startsWith(`${problemHead(code)},`)).toBe(true)
    expect(JSON.parse(`${problemHead(code)},"requestId":${JSON.stringify(requestId)}}`)).toEqual(
      JSON.parse(problemText(new Fault<ErrorCode>(code), requestId)),
    )
    expect(problemSchema.parse(JSON.parse(text))).toMatchObject({
      code,
      status: errors[code].status,
      detail,
      requestId,
    })
  })
})

test('moved tags survive their header', () => {
  const tag = fc.stringMatching(/^[^=,\s]{1,40}$/)
  const moved = fc.array(fc.record({ tag, version: fc.maxSafeNat() }), { maxLength: 8 })
  property(moved, (given) => {
    expect(parseMoved(encodeMoved(given))).toEqual(given)
  })
  property(fc.string(), (text) => {
    expect(encodeMoved(parseMoved(text)).length).toBeLessThanOrEqual(text.length)
  })
})

test('a principal survives its header, and other texts are none', () => {
  const principals: fc.Arbitrary<EdgePrincipal> = fc.oneof(
    fc.constantFrom<EdgePrincipal>({ kind: 'public' }, { kind: 'server' }, { kind: 'operator' }),
    fc.record({ kind: fc.constant('client' as const), keyId: fc.stringMatching(/^[\w-]{1,40}$/) }),
    fc.tuple(cells, times, fc.nat(2 ** 31 - 1)).map(([cell, ms, epoch]) => ({
      kind: 'player' as const,
      playerId: newId('player', cell, ms),
      sessionId: newId('session', cell, ms),
      epoch,
    })),
  )
  property(principals, (principal) => {
    expect(parsePrincipal(encodePrincipal(principal))).toEqual(principal)
  })
  property(principals, fc.string({ minLength: 1 }), (principal, more) => {
    expect(parsePrincipal(`${encodePrincipal(principal)} ${more} ${more}`)).toBeUndefined()
  })
  const kindsOfPrincipal = ['public', 'server', 'operator']
  property(fc.string(), (text) => {
    if (!kindsOfPrincipal.includes(text) && !text.startsWith('client ')) expect(parsePrincipal(text)).toBeUndefined()
  })
})

test('a signature survives its header, and other texts are none', () => {
  const signatures = fc.record({
    keyId: fc.stringMatching(/^[\w-]{1,32}$/),
    signedAt: fc.maxSafeNat(),
    mac: fc.stringMatching(/^[0-9a-f]{64}$/),
  })
  property(signatures, (signature) => {
    expect(parseSignature(encodeSignature(signature))).toEqual(signature)
  })
  property(signatures, fc.string({ minLength: 1 }), (signature, more) => {
    expect(parseSignature(encodeSignature(signature) + more)).toBeUndefined()
    expect(parseSignature(more + encodeSignature(signature))).toBeUndefined()
    expect(parseSignature(more)).toBeUndefined()
  })
})

test('routes are bound longest first, and a fixed part before a parameter, in whatever order they are declared', () => {
  property(fc.shuffledSubarray(table, { minLength: table.length }), (declared) => {
    const paths = declared
      .map(([, route]) => route)
      .sort(bySpecificity)
      .map(({ path }) => path)
    for (const [at, path] of paths.entries()) {
      const pattern = new RegExp(`^${path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`)
      const shadowed = paths.slice(at + 1).filter((later) => later !== path && pattern.test(later))
      expect(shadowed, `${path} is bound before`).toEqual([])
    }
    expect(paths.indexOf('/v1/players/me')).toBeLessThan(paths.indexOf('/v1/players/{playerId}'))
  })
})

test.each(table)(
  'the lives of %s, if it is cached, are in order and far below the life of a version',
  (_, { delivery }) => {
    if (delivery.kind !== 'cached') return
    const { freshMs, staleMs, hardMs } = delivery
    expect(freshMs).toBeGreaterThan(0)
    expect(freshMs).toBeLessThanOrEqual(staleMs)
    expect(staleMs).toBeLessThanOrEqual(hardMs)
    expect(hardMs * 10, 'a version must outlive every entry that it disqualifies').toBeLessThanOrEqual(versionLifeMs)
  },
)

test('a route that is not whole does not compile', () => {
  const base = {
    method: 'GET',
    summary: '',
    access: 'public',
    cell: 'nearest',
    status: 200,
    answer: 'text/plain',
    errors: [],
  } as const
  const lives = { freshMs: 1, staleMs: 2, hardMs: 3 }
  const params = z.object({ id: z.string() })
  expect(defineRoute({ ...base, path: '/x/{id}', delivery: cached({ tag: 'x:{id}', ...lives }), params }).path).toBe(
    '/x/{id}',
  )
  // @ts-expect-error: the tag names a parameter that the path lacks.
  defineRoute({ ...base, path: '/x/{id}', delivery: cached({ tag: 'x:{other}', ...lives }), params })
  // @ts-expect-error: the path names a parameter that has no schema.
  defineRoute({ ...base, path: '/x/{id}', delivery: direct })
  // @ts-expect-error: of two parameters one has no schema.
  defineRoute({ ...base, path: '/x/{id}/{other}', delivery: direct, params })
  // @ts-expect-error: a schema for a parameter that the path lacks.
  defineRoute({ ...base, path: '/x', delivery: direct, params })
  // @ts-expect-error: a route for servers that names no scope.
  defineRoute({ ...base, path: '/x', delivery: direct, access: 'server' })
  // @ts-expect-error: a route for operators that names no role.
  defineRoute({ ...base, path: '/x', delivery: direct, access: 'operator' })
  // @ts-expect-error: a scope of a route that is not for servers.
  defineRoute({ ...base, path: '/x', delivery: direct, scope: 'wallet:write' })
  // @ts-expect-error: a role of a route that is not for operators.
  defineRoute({ ...base, path: '/x', delivery: direct, role: 'viewer' })
  // @ts-expect-error: a code that the table of errors lacks.
  defineRoute({ ...base, path: '/x', delivery: direct, errors: ['no_such_code'] })
})

test('a route that the edge could not take apart does not compile', () => {
  const base = {
    method: 'POST',
    path: '/x',
    summary: '',
    access: 'server',
    scope: 'wallet:write',
    cell: 'targets',
    delivery: forwarded({ idempotencyKey: 'required' }),
    status: 200,
    errors: [],
  } as const
  const split = { items: 'gifts', results: 'results' } as const
  const body = z.object({ gifts: z.array(z.object({ playerId: playerIdSchema })) })
  const answer = z.object({ results: z.array(refusedItemSchema) })
  expect(defineRoute({ ...base, split, body, answer }).split).toBe(split)
  // @ts-expect-error: it does not say how it is split.
  defineRoute({ ...base, body, answer })
  // @ts-expect-error: one cell answers.
  defineRoute({ ...base, cell: 'nearest', split, body, answer })
  // @ts-expect-error: the body has no such member.
  defineRoute({ ...base, split: { ...split, items: 'presents' }, body, answer })
  // @ts-expect-error: the items name no player.
  defineRoute({ ...base, split, body: z.object({ gifts: z.array(z.object({ id: z.string() })) }), answer })
  // @ts-expect-error: there is no body.
  defineRoute({ ...base, split, answer })
  // @ts-expect-error: the answer has another member.
  defineRoute({ ...base, split, body, answer: answer.extend({ count: z.int() }) })
  // @ts-expect-error: a result cannot say that its item was refused.
  defineRoute({ ...base, split, body, answer: z.object({ results: z.array(z.object({ playerId: playerIdSchema })) }) })
  // @ts-expect-error: a read is not forwarded.
  defineRoute({ ...base, split, body, answer, delivery: direct })
})
