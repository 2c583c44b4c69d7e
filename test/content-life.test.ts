import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { CallError } from '#contract/client.ts'
import { type ContentKind, contentKinds } from '#contract/content.ts'
import type { Role } from '#contract/rights.ts'
import { encodeCursor } from '#core/page.ts'
import { draft, flagOf, forgetContent, ifMatch, type Operator, publishNew } from './content-calls.ts'
import { startWorld, type World } from './harness.ts'
import { releasedAtOnce } from './locks.ts'
import { outcomeOf } from './outcome.ts'
import { makeSpareOperators } from './spare-operators.ts'

const flags = { params: { kind: 'flags' } } as const
const note = { body: { note: 'because' } }

let world: World
let operator: Operator
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())
beforeEach(async () => {
  await forgetContent(world)
  operator = world.client({ bearer: world.keys.operator })
})

const revisionOf = async (kind: ContentKind = 'flags'): Promise<number> =>
  (await operator.getContent({ params: { kind } })).body.revision

const refusalOf = async (call: Promise<unknown>): Promise<CallError> => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return error instanceof CallError ? error : expect.fail(`should have been refused: ${error}`)
}

const one = (over: object = {}) => ({ flags: { 'new-shop': flagOf(over) } })

/** A client in the name of a person who has a role. */
const operatorWith = async (role: Role) => {
  const [person] = await makeSpareOperators(world, { count: 1, role })
  if (!person) throw new Error('one was asked for')
  return { ...person, client: world.client({ bearer: person.key }) }
}

test('a document is drafted, compared, published and read back, and edges are told of it', async () => {
  const before = (await operator.getContent(flags)).body
  expect(before).toEqual({ kind: 'flags', revision: before.revision, live: null, draft: null, scheduled: null })
  expect((await operator.getDraft(flags)).body.document).toEqual({})

  const put = await operator.putDraft({ ...flags, body: { document: one() } }, ifMatch(before.revision))
  expect(put.body).toEqual({ kind: 'flags', revision: before.revision + 1 })
  const drafted = await operator.getDraft(flags)
  expect([drafted.headers.get('etag'), drafted.body.document]).toEqual([`"${put.body.revision}"`, one()])
  expect((await operator.diffDraft(flags)).body).toMatchObject({
    changes: [{ pointer: '/flags', change: 'added', after: one().flags }],
    changesTotal: 1,
    faultsTotal: 0,
  })

  const { body } = await operator.publishContent({ ...flags, ...note }, ifMatch(put.body.revision))
  expect(body).toMatchObject({ revision: put.body.revision + 1, scheduled: null })
  const version = body.version ?? expect.fail('it is live')
  expect(version).toMatchObject({ kind: 'flags', number: 1, note: 'because', rolledBackTo: null })
  const after = await operator.getContent(flags)
  expect(after.headers.get('etag')).toBe(`"${body.revision}"`)
  expect(after.body).toMatchObject({ revision: body.revision, live: version, draft: null, scheduled: null })
  expect((await operator.getDraft(flags)).body.document).toEqual(one())
  expect((await operator.getVersion({ params: { kind: 'flags', number: 1 } })).body).toEqual({
    version,
    document: one(),
  })
  expect((await operator.listVersions({ ...flags, query: {} })).body.versions).toEqual([version])

  const ask = async (path: string) =>
    (await world.askCore({ method: 'GET', path, principal: { kind: 'public' } })).json()
  const pointers = await ask('/internal/documents/content')
  expect(pointers).toEqual({ flags: { number: 1, version: expect.any(Number), hash: version.hash } })
  const { compiled } = (await ask(`/internal/content/${version.hash}`)) as { readonly compiled: string }
  expect(JSON.parse(compiled).document.flags['new-shop']).toMatchObject({ default: 'off', enabled: true, rules: [] })
})

const changesOf = (client: Operator): Record<string, (headers: object) => Promise<unknown>> => ({
  putDraft: (options) => client.putDraft({ ...flags, body: { document: one() } }, options),
  patchDraft: (options) => client.patchDraft({ ...flags, body: { patch: { flags: {} } } }, options),
  discardDraft: (options) => client.discardDraft(flags, options),
  publishContent: (options) => client.publishContent({ ...flags, ...note }, options),
  cancelPublish: (options) => client.cancelPublish(flags, options),
  rollBackContent: (options) => client.rollBackContent({ ...flags, body: { number: 1, note: 'x' } }, options),
})
const changeNames = Object.keys(changesOf({} as Operator))

test.each(changeNames)(
  '%s says which revision it was made for, or is asked for it and changes nothing',
  async (name) => {
    await draft(operator, 'flags', one())
    const before = (await operator.getContent(flags)).body
    expect(await outcomeOf(changesOf(operator)[name]?.({}) ?? expect.fail())).toBe('precondition_required')
    for (const header of [
      String(before.revision),
      `W/"${before.revision}"`,
      '"x"',
      '',
      '"1", "2"',
      `"${before.revision}`,
    ])
      expect([
        header,
        await outcomeOf(changesOf(operator)[name]?.({ headers: { 'if-match': header } }) ?? expect.fail()),
      ]).toEqual([header, header === '' ? expect.stringMatching(/^precondition_/) : 'precondition_failed'])
    expect((await operator.getContent(flags)).body).toEqual(before)
  },
)

/** What somebody else may have done meanwhile, on top of a live document, a draft and a version to come back. */
const meanwhile: Record<string, () => Promise<unknown>> = {
  'an edit of the draft': () => operator.putDraft({ ...flags, body: { document: {} } }, ifMatch('*')),
  'a patch of the draft': () => operator.patchDraft({ ...flags, body: { patch: { flags: null } } }, ifMatch('*')),
  'a discard of the draft': () => operator.discardDraft(flags, ifMatch('*')),
  'a publish': () => operator.publishContent({ ...flags, ...note }, ifMatch('*')),
  'a scheduled publish': () =>
    operator.publishContent(
      { ...flags, body: { note: 'x', publishAt: new Date(world.clock() + 60_000).toISOString() } },
      ifMatch('*'),
    ),
  'a rollback': () => operator.rollBackContent({ ...flags, body: { number: 1, note: 'x' } }, ifMatch('*')),
}

test.each(Object.entries(meanwhile))(
  'on top of %s by somebody else every change is 412, and tells the revision',
  async (_, change) => {
    await publishNew(operator, 'flags', one())
    await publishNew(operator, 'flags', one({ default: 'on' }))
    const seen = await draft(operator, 'flags', one({ enabled: false }))
    await change()
    const before = (await operator.getContent(flags)).body
    expect(before.revision).toBeGreaterThan(seen)
    for (const [name, attempt] of Object.entries(changesOf(operator))) {
      const refusal = await refusalOf(attempt(ifMatch(seen)))
      expect([name, refusal.code, refusal.problem?.revision]).toEqual([name, 'precondition_failed', before.revision])
    }
    expect((await operator.getContent(flags)).body).toEqual(before)
  },
)

test('of changes that are made at once with one revision in mind exactly one is made', async () => {
  await publishNew(operator, 'flags', one())
  for (const attempt of [
    (revision: number, at: number) =>
      operator.putDraft({ ...flags, body: { document: one({ description: `by ${at}` }) } }, ifMatch(revision)),
    (revision: number) => operator.publishContent({ ...flags, ...note }, ifMatch(revision)),
    (revision: number) => operator.rollBackContent({ ...flags, body: { number: 1, note: 'x' } }, ifMatch(revision)),
  ]) {
    const revision = await revisionOf()
    const outcomes = await releasedAtOnce(
      world,
      (tx) => tx`select from content_drafts for update`,
      Array.from({ length: 4 }, (_, at) => () => outcomeOf(attempt(revision, at))),
      // Whoever changes a draft waits for three seconds.
      { withinMs: 2_500 },
    )
    expect(outcomes?.toSorted()).toEqual([...Array(3).fill('precondition_failed'), 'served'])
    expect(await revisionOf()).toBe(revision + 1)
  }
  const rows = await world.sql`select number, version::int8 from content_versions where kind = 'flags' order by number`
  expect(rows.map(({ number }) => number)).toEqual([1, 2, 3])
  const versions = rows.map(({ version }) => Number(version))
  expect(versions).toEqual([...new Set(versions)].toSorted((a, b) => a - b))
})

test('a document that comes after one from the future has the greater version all the same', async () => {
  await publishNew(operator, 'flags', one())
  const ahead = world.clock() + 3_600_000
  await world.sql`update content_versions set version = ${ahead}`
  await publishNew(operator, 'flags', {})
  const [row] = await world.sql`select version::int8 from content_versions where number = 2`
  expect(Number(row?.version)).toBe(ahead + 1)
})

/** RFC 7396 appendix A, of those whose patch is of a member. */
const patches: readonly (readonly [before: unknown, patch: unknown, after: unknown])[] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [
    ['a', 'b'],
    ['c', 'd'],
    ['c', 'd'],
  ],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
]

test('a patch changes the draft as RFC 7396 says, beginning with what is live', async () => {
  for (const [before, patch, after] of patches) {
    await draft(operator, 'flags', { member: before, other: 1 })
    await operator.patchDraft({ ...flags, body: { patch: { member: patch } } }, ifMatch('*'))
    expect((await operator.getDraft(flags)).body.document, JSON.stringify(patch)).toEqual({ member: after, other: 1 })
  }
  await publishNew(operator, 'flags', one())
  await operator.patchDraft({ ...flags, body: { patch: { flags: { 'new-shop': { default: 'on' } } } } }, ifMatch('*'))
  expect((await operator.getDraft(flags)).body.document).toEqual(one({ default: 'on' }))
  expect((await operator.diffDraft(flags)).body.changes).toEqual([
    { pointer: '/flags/new-shop/default', change: 'changed', before: 'off', after: 'on' },
  ])
})

test('a difference tells members one by one, lists of one length place by place, others as a whole, and how many', async () => {
  const rule = (serve: string) => ({ serve })
  await publishNew(operator, 'flags', {
    flags: { a: flagOf({ rules: [rule('on'), rule('off')] }), b: flagOf({ rules: [rule('on')] }), gone: flagOf() },
  })
  await draft(operator, 'flags', {
    flags: {
      b: flagOf({ rules: [rule('off'), rule('on')] }),
      a: flagOf({ rules: [rule('on'), rule('on')] }),
      'x~/y': 1,
    },
  })
  const { body } = await operator.diffDraft(flags)
  expect(body.changes).toEqual([
    { pointer: '/flags/b/rules', change: 'changed', before: [rule('on')], after: [rule('off'), rule('on')] },
    { pointer: '/flags/a/rules/1/serve', change: 'changed', before: 'off', after: 'on' },
    { pointer: '/flags/x~0~1y', change: 'added', after: 1 },
    { pointer: '/flags/gone', change: 'removed', before: flagOf() },
  ])
  const many = Object.fromEntries(Array.from({ length: 250 }, (_, at) => [`Not A Key ${at}`, flagOf()]))
  await draft(operator, 'flags', { flags: many })
  const { changes, changesTotal, faults, faultsTotal } = (await operator.diffDraft(flags)).body
  expect([changes.length, changesTotal, faults.length, faultsTotal]).toEqual([100, 253, 100, 250])
  expect(faults[0]).toEqual({ pointer: '/flags/Not A Key 0', detail: expect.stringContaining('not a key such as') })
})

test('a draft may be unfinished; published it is refused with its faults, and stays as it was', async () => {
  await publishNew(operator, 'flags', one())
  await draft(operator, 'flags', { flags: { 'new-shop': flagOf({ default: 'nothing' }) } })
  const before = (await operator.getContent(flags)).body
  for (const publishAt of [undefined, new Date(world.clock() + 60_000).toISOString()]) {
    const body = { note: 'x', ...(publishAt ? { publishAt } : {}) }
    const refusal = await refusalOf(operator.publishContent({ ...flags, body }, ifMatch('*')))
    expect(refusal.problem).toMatchObject({
      code: 'content_invalid',
      faults: [{ pointer: '/flags/new-shop/default', detail: 'the flag has no such variant' }],
      faultsTotal: 1,
    })
  }
  expect((await operator.getContent(flags)).body).toEqual(before)
})

test('what is live already is not published again: no draft, the same, or the same in another order', async () => {
  const document = { flags: { a: flagOf(), b: flagOf() } }
  expect(await outcomeOf(operator.publishContent({ ...flags, ...note }, ifMatch('*')))).toBe('nothing_to_publish')
  await publishNew(operator, 'flags', document)
  const { hash } = (await operator.getContent(flags)).body.live ?? expect.fail('it is live')
  expect(await outcomeOf(operator.publishContent({ ...flags, ...note }, ifMatch('*')))).toBe('nothing_to_publish')
  for (const same of [document, { flags: { b: flagOf(), a: flagOf() } }]) {
    await draft(operator, 'flags', same)
    expect((await operator.diffDraft(flags)).body.changesTotal).toBe(0)
    expect(await outcomeOf(operator.publishContent({ ...flags, ...note }, ifMatch('*')))).toBe('nothing_to_publish')
  }
  const described = await publishNew(operator, 'flags', { flags: { a: flagOf({ description: 'A' }), b: flagOf() } })
  expect([described.number, described.hash]).toEqual([2, hash])
})

test('discarded, the draft is what is live; where there was none nothing changes', async () => {
  await publishNew(operator, 'flags', one())
  await draft(operator, 'flags', {})
  const { body } = await operator.discardDraft(flags, ifMatch('*'))
  expect((await operator.getDraft(flags)).body).toEqual({ kind: 'flags', revision: body.revision, document: one() })
  expect((await operator.discardDraft(flags, ifMatch(body.revision))).body.revision).toBe(body.revision)
})

test('what was published stays what it is, whatever is published, drafted or rolled back later', async () => {
  const read = async () => {
    const { versions } = (await operator.listVersions({ ...flags, query: {} })).body
    return Promise.all(versions.map(({ number }) => operator.getVersion({ params: { kind: 'flags', number } })))
  }
  const first = await publishNew(operator, 'flags', one())
  const [kept] = await read()
  await publishNew(operator, 'flags', one({ default: 'on' }))
  await operator.rollBackContent({ ...flags, body: { number: 1, note: 'back' } }, ifMatch('*'))
  await draft(operator, 'flags', {})
  const all = (await read()).map(({ body }) => body)
  expect(all.map(({ version }) => version.number)).toEqual([3, 2, 1])
  expect(all.at(-1)).toEqual(kept?.body)
  expect(all.map(({ version }) => version.hash)).toEqual([
    first.hash,
    expect.not.stringContaining(first.hash),
    first.hash,
  ])
})

test('the history goes page by page, and a cursor of one kind is none of the other', async () => {
  for (let at = 1; at <= 5; at++) await publishNew(operator, 'flags', one({ description: String(at) }))
  const numbers: number[] = []
  let cursor: string | undefined
  do {
    const { body } = await operator.listVersions({ ...flags, query: { limit: 2, ...(cursor ? { cursor } : {}) } })
    numbers.push(...body.versions.map(({ number }) => number))
    cursor = body.nextCursor ?? undefined
    if (cursor && numbers.length === 2)
      expect(await outcomeOf(operator.listVersions({ params: { kind: 'live-events' }, query: { cursor } }))).toBe(
        'invalid_request',
      )
  } while (cursor)
  expect(numbers).toEqual([5, 4, 3, 2, 1])
  for (const position of ['9999999999', '2147483648', '0', '-1', '1e3', ''])
    expect(
      await outcomeOf(
        operator.listVersions({ ...flags, query: { cursor: encodeCursor({ kind: 'flags' }, position) } }),
      ),
    ).toBe('invalid_request')
  for (const number of [2_147_483_648, Number.MAX_SAFE_INTEGER])
    expect([
      await outcomeOf(operator.getVersion({ params: { kind: 'flags', number } })),
      await outcomeOf(operator.rollBackContent({ ...flags, body: { number, note: 'x' } }, ifMatch('*'))),
    ]).toEqual(['invalid_request', 'invalid_request'])
  expect(await outcomeOf(operator.getVersion({ params: { kind: 'flags', number: 6 } }))).toBe('not_found')
})

test('a publish that is sent again under its key is answered as at first, and publishes once', async () => {
  const revision = await draft(operator, 'flags', one())
  const options = { ...ifMatch(revision), idempotencyKey: randomUUID() }
  const [first, again] = [
    await operator.publishContent({ ...flags, ...note }, options),
    await operator.publishContent({ ...flags, ...note }, options),
  ]
  expect([again.headers.get('idempotency-replayed'), again.body]).toEqual(['true', first.body])
  expect(await world.sql`select from content_versions`).toHaveLength(1)
})

test('viewers read, editors draft too, publishers publish too', async () => {
  await publishNew(operator, 'flags', one())
  await publishNew(operator, 'flags', one({ default: 'on' }))
  const mayEdit = ['putDraft', 'patchDraft', 'discardDraft']
  for (const role of ['viewer', 'editor', 'publisher'] as const) {
    const { client } = await operatorWith(role)
    for (const read of [
      () => client.getContent(flags),
      () => client.getDraft(flags),
      () => client.diffDraft(flags),
      () => client.listVersions({ ...flags, query: {} }),
      () => client.getVersion({ params: { kind: 'flags', number: 1 } }),
    ])
      expect(await outcomeOf(read())).toBe('served')
    for (const [name, attempt] of Object.entries(changesOf(client))) {
      const may = role === 'publisher' || (role === 'editor' && mayEdit.includes(name))
      const outcome = await outcomeOf(attempt(ifMatch('*')))
      expect([role, name, outcome === 'role_insufficient']).toEqual([role, name, !may])
    }
  }
})

test('who did what stands in the audit log, without notes and documents, and a refusal does not', async () => {
  const { client, operatorId } = await operatorWith('publisher')
  const actor = `operator:${operatorId}`
  await draft(client, 'flags', one())
  const published = await client.publishContent({ ...flags, body: { note: 'a secret plan' } }, ifMatch('*'))
  expect(published.body.version?.author).toBe(actor)
  await client.patchDraft({ ...flags, body: { patch: { flags: { 'new-shop': { default: 'on' } } } } }, ifMatch('*'))
  expect((await client.getContent(flags)).body.draft).toMatchObject({ updatedBy: actor })
  await outcomeOf(client.putDraft({ ...flags, body: { document: {} } }, ifMatch(1)))
  const publishAt = new Date(world.clock() + 60_000).toISOString()
  await client.publishContent({ ...flags, body: { note: 'a secret plan', publishAt } }, ifMatch('*'))
  await client.cancelPublish(flags, ifMatch('*'))
  await client.discardDraft(flags, ifMatch('*'))
  await publishNew(client, 'flags', {})
  await client.rollBackContent({ ...flags, body: { number: 1, note: 'a secret plan' } }, ifMatch('*'))
  const rows = await world.sql`select actor, action, subject, detail from audit_log order by audit_id`
  const revision = expect.any(Number)
  expect(rows).toEqual(
    [
      ['content.draft', { revision }],
      ['content.publish', { number: 1, revision }],
      ['content.draft', { revision }],
      ['content.schedule', { publishAt, revision }],
      ['content.cancel', { publishAt, keptAsDraft: true, revision }],
      ['content.discard', { revision }],
      ['content.draft', { revision }],
      ['content.publish', { number: 2, revision }],
      ['content.roll-back', { number: 3, rolledBackTo: 1, cancelled: false, revision }],
    ].map(([action, detail]) => ({ actor, action, subject: 'content:flags', detail })),
  )
  expect(JSON.stringify(rows)).not.toContain('secret plan')
})

test('a publish leaves as one event of the kind, with who did it and what it brought back', async () => {
  const { number, hash, author } = await publishNew(operator, 'flags', one())
  const [row] = await world.sql`select type, aggregate, data from outbox
    where type = 'perigee.content.published.v1' order by event_id desc limit 1`
  expect(row).toEqual({
    type: 'perigee.content.published.v1',
    aggregate: 'content:flags',
    data: { kind: 'flags', number, hash, author, rolledBackTo: null },
  })
})

test('the two kinds have drafts, revisions and numbers of their own', async () => {
  const before = await Promise.all(contentKinds.map((kind) => revisionOf(kind)))
  await publishNew(operator, 'flags', one())
  expect([await revisionOf('flags'), await revisionOf('live-events')]).toEqual([(before[0] ?? 0) + 2, before[1]])
  expect((await publishNew(operator, 'live-events', { events: {} })).number).toBe(1)
  for (const kind of ['catalog', 'FLAGS', '__proto__'])
    expect(await outcomeOf(operator.getContent({ params: { kind: kind as ContentKind } }))).toBe('invalid_request')
})
