import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { ContentKind } from '#contract/content.ts'
import {
  draft,
  eventOf,
  flagOf,
  forgetContent,
  ifMatch,
  type Operator,
  publisherOf,
  publishNew,
} from './content-calls.ts'
import { eventually } from './eventually.ts'
import { startWorld, type World } from './harness.ts'
import { outcomeOf } from './outcome.ts'

const flags = { params: { kind: 'flags' } } as const
const one = (over: object = {}) => ({ flags: { 'new-shop': flagOf(over) } })
const dayMs = 24 * 3_600_000

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

const inMs = (ms: number): string => new Date(world.clock() + ms).toISOString()

const schedule = (kind: ContentKind = 'flags', publishAt = inMs(dayMs)) =>
  operator.publishContent({ params: { kind }, body: { note: 'later', publishAt } }, ifMatch('*'))

const stateOf = async (kind: ContentKind = 'flags') => (await operator.getContent({ params: { kind } })).body
const documentOf = async (kind: ContentKind = 'flags') => (await operator.getDraft({ params: { kind } })).body.document

/** Its time has come: edges and cores share the machine's clock, so the past is moved instead. */
const makeDue = (kind: ContentKind) =>
  world.sql`update content_drafts set publish_at = now() - interval '1 millisecond' where kind = ${kind}`

const actsOf = async (subject: string) =>
  (await world.sql`select actor, action, detail from audit_log where subject = ${subject} order by audit_id`).map(
    ({ actor, action, detail }) => ({ actor, action, detail }),
  )

test('a publish is scheduled for a moment in the future within a year, and for no other', async () => {
  await draft(operator, 'flags', one())
  for (const publishAt of [inMs(-1_000), inMs(-dayMs), inMs(367 * dayMs), '9999-12-31T23:59:59.999Z'])
    await expect(schedule('flags', publishAt), publishAt).rejects.toMatchObject({
      code: 'invalid_request',
      problem: { errors: [{ in: 'body', pointer: '/publishAt' }] },
    })
  const publishAt = inMs(365 * dayMs)
  const { body } = await schedule('flags', publishAt)
  const { scheduled } = body
  expect([body.version, scheduled]).toEqual([
    null,
    { publishAt, note: 'later', author: expect.stringMatching(/^key:/) },
  ])
  expect(await stateOf()).toEqual({ kind: 'flags', revision: body.revision, live: null, draft: null, scheduled })
})

test('while one is scheduled no other is published or scheduled, and the draft is free for the next one', async () => {
  await draft(operator, 'flags', one())
  const { scheduled } = (await schedule()).body
  await draft(operator, 'flags', one({ default: 'on' }))
  const now = operator.publishContent({ ...flags, body: { note: 'now' } }, ifMatch('*'))
  await expect(now).rejects.toMatchObject({
    code: 'publish_scheduled',
    problem: { publishAt: scheduled?.publishAt },
  })
  expect(await outcomeOf(schedule())).toBe('publish_scheduled')
  expect(await documentOf()).toEqual(one({ default: 'on' }))
  expect((await publishNew(operator, 'live-events', { events: {} })).number).toBe(1)
})

test('what is scheduled goes live when its time has come, once however many publishers run, and no sooner', async () => {
  await draft(operator, 'flags', one())
  await schedule()
  const publishers = Array.from({ length: 4 }, () => publisherOf(world))
  const runAll = async () => (await Promise.all(publishers.map((publisher) => publisher.runOnce()))).flat()
  expect(await runAll()).toEqual([])
  expect((await stateOf()).live).toBeNull()
  await draft(operator, 'flags', one({ default: 'on' }))
  const { revision } = await stateOf()

  await makeDue('flags')
  const first = await runAll()
  await eventually(async () => (await stateOf()).live !== null, 5_000)
  expect(first.length).toBeLessThanOrEqual(1)
  expect(await runAll()).toEqual([])
  const state = await stateOf()
  expect(state).toMatchObject({
    revision: revision + 1,
    live: { number: 1, note: 'later', author: expect.stringMatching(/^key:/), rolledBackTo: null },
    scheduled: null,
  })
  // What somebody has begun meanwhile is theirs.
  expect(await documentOf()).toEqual(one({ default: 'on' }))
  expect(await world.sql`select from content_versions`).toHaveLength(1)
  expect(await actsOf('content:flags')).toContainEqual({
    actor: state.live?.author,
    action: 'content.publish',
    detail: { number: 1, scheduled: true, revision: state.revision },
  })
  const [event] = await world.sql`select data from outbox where type = 'perigee.content.published.v1'
    and aggregate = 'content:flags' order by event_id desc`
  expect(event?.data).toMatchObject({ kind: 'flags', number: 1, author: state.live?.author })
})

test('what has become invalid meanwhile is the draft again, is told of, and holds nothing else up', async () => {
  await publishNew(operator, 'flags', one())
  await draft(operator, 'live-events', { events: { summer: eventOf({ flags: { 'new-shop': true } }) } })
  await schedule('live-events')
  await publishNew(operator, 'flags', {})
  await draft(operator, 'flags', { flags: { other: flagOf() } })
  await schedule('flags', inMs(2 * dayMs))
  const linesBefore = world.logLines.length
  await world.sql`update content_drafts set publish_at = now() - interval '1 hour' where kind = 'live-events'`
  await makeDue('flags')
  await publisherOf(world).runOnce()
  await eventually(async () => (await stateOf('flags')).scheduled === null, 5_000)
  expect((await stateOf('flags')).live?.number).toBe(3)
  const state = await stateOf('live-events')
  expect([state.live, state.scheduled, state.draft?.updatedBy]).toEqual([null, null, expect.stringMatching(/^key:/)])
  expect(await documentOf('live-events')).toEqual({ events: { summer: eventOf({ flags: { 'new-shop': true } }) } })
  expect((await operator.diffDraft({ params: { kind: 'live-events' } })).body.faults).toEqual([
    { pointer: '/events/summer/flags/new-shop', detail: 'no such flag is live' },
  ])
  const refused = (await actsOf('content:live-events')).filter(({ action }) => action === 'content.publish-refused')
  expect(refused).toEqual([
    {
      actor: state.draft?.updatedBy,
      action: 'content.publish-refused',
      detail: { why: 'invalid', keptAsDraft: true, faultsTotal: 1, revision: state.revision },
    },
  ])
  const told = world.logLines.slice(linesBefore).filter((line) => line.includes('a scheduled publish was refused'))
  expect(told).toEqual([expect.stringContaining('"kind":"live-events"')])
})

test('what has become invalid does not take the place of a draft that somebody has begun', async () => {
  await publishNew(operator, 'flags', one())
  await draft(operator, 'live-events', { events: { summer: eventOf({ flags: { 'new-shop': true } }) } })
  await schedule('live-events')
  await draft(operator, 'live-events', { events: { winter: eventOf() } })
  await publishNew(operator, 'flags', {})
  await makeDue('live-events')
  await publisherOf(world).runOnce()
  await eventually(async () => (await stateOf('live-events')).scheduled === null, 5_000)
  expect(await documentOf('live-events')).toEqual({ events: { winter: eventOf() } })
})

test('cancelled, it is the draft again unless there is one; where nothing is scheduled there is nothing to cancel', async () => {
  expect(await outcomeOf(operator.cancelPublish(flags, ifMatch('*')))).toBe('not_found')
  await draft(operator, 'flags', one())
  await schedule()
  const { body } = await operator.cancelPublish(flags, ifMatch('*'))
  expect(await stateOf()).toMatchObject({ revision: body.revision, scheduled: null, live: null })
  expect(await documentOf()).toEqual(one())

  await schedule()
  await draft(operator, 'flags', {})
  await operator.cancelPublish(flags, ifMatch('*'))
  expect(await documentOf()).toEqual({})
  expect(await publisherOf(world).runOnce()).toEqual([])
})

test('a rollback brings back a document under the next number, cancels what is scheduled, and leaves the draft', async () => {
  await publishNew(operator, 'flags', one())
  await publishNew(operator, 'flags', one({ default: 'on' }))
  await draft(operator, 'flags', one({ enabled: false }))
  await schedule()
  await draft(operator, 'flags', { audiences: {} })
  const back = (number: number) => operator.rollBackContent({ ...flags, body: { number, note: 'back' } }, ifMatch('*'))
  const { body } = await back(1)
  expect(body.version).toMatchObject({ number: 3, note: 'back', rolledBackTo: 1 })
  const { revision, live, scheduled } = await stateOf()
  expect([revision, live, scheduled]).toEqual([body.revision, body.version, null])
  expect(await documentOf()).toEqual({ audiences: {} })
  expect((await operator.getVersion({ params: { kind: 'flags', number: 3 } })).body.document).toEqual(one())

  expect(await outcomeOf(back(3))).toBe('nothing_to_publish')
  expect(await outcomeOf(back(1))).toBe('nothing_to_publish')
  expect(await outcomeOf(back(4))).toBe('not_found')
})

test('a rollback takes experiments back to where they stood, also before their run', async () => {
  const withExperiment = (over: object) => ({
    ...one(),
    experiments: {
      e: {
        ...{ flag: 'new-shop', state: 'draft', trafficBasisPoints: 10_000 },
        ...{ split: [{ variant: 'on', basisPoints: 10_000 }] },
        ...over,
      },
    },
  })
  const drafted = withExperiment({})
  for (const document of [drafted, withExperiment({ state: 'running' }), withExperiment({ state: 'running', run: 2 })])
    await publishNew(operator, 'flags', document)
  const back = (number: number) => operator.rollBackContent({ ...flags, body: { number, note: 'back' } }, ifMatch('*'))
  expect((await back(2)).body.version).toMatchObject({ number: 4, rolledBackTo: 2 })
  expect((await back(1)).body.version).toMatchObject({ number: 5, rolledBackTo: 1 })
  expect(await documentOf()).toEqual(drafted)

  // The same by a publish is refused: nobody means it in that form.
  await publishNew(operator, 'flags', withExperiment({ state: 'running' }))
  await draft(operator, 'flags', drafted)
  const { faults } = (await operator.diffDraft(flags)).body
  expect(faults.map(({ pointer }) => pointer)).toEqual(['/experiments/e/state'])
})

test('what is no longer valid does not come back', async () => {
  await publishNew(operator, 'flags', {})
  await publishNew(operator, 'flags', one())
  await publishNew(operator, 'live-events', { events: { summer: eventOf({ flags: { 'new-shop': true } }) } })
  const refusal = operator.rollBackContent({ ...flags, body: { number: 1, note: 'back' } }, ifMatch('*'))
  await expect(refusal).rejects.toMatchObject({
    code: 'content_invalid',
    problem: {
      faults: [{ pointer: '/flags', detail: 'the live event summer gives new-shop a value' }],
      faultsTotal: 1,
    },
  })
  expect((await stateOf()).live?.number).toBe(2)
})
