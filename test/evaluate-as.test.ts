import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Client } from '#contract/client.ts'
import type { evaluateAs as route } from '#contract/flags.ts'
import type { CallOf } from '#contract/route.ts'
import type { routes } from '#contract/routes.ts'
import { createApiKey } from '#core/api-keys.ts'
import { updateDraft } from '#db/content.ts'
import { failureOf } from './erasing.ts'
import { cell, startWorld, type World } from './harness.ts'
import { publishDocument } from './published.ts'

const shop = (rules: readonly unknown[]) => ({
  attributes: { level: { type: 'number' } },
  audiences: { veterans: { if: { attribute: 'level', atLeast: 10 } } },
  flags: {
    shop: { type: 'string', variants: { old: 'old', new: 'new', fest: 'fest' }, default: 'old', rules },
    theme: { type: 'string', variants: { plain: 'plain' }, default: 'plain' },
  },
})
const forVeterans = { if: { audience: 'veterans' }, serve: 'new' }
const inFrance = { if: { attribute: 'edge.country', equals: 'FR' }, serve: 'new' }

let world: World
let viewer: Client<typeof routes>
beforeAll(async () => {
  world = await startWorld()
  const given = { kind: 'operator', name: 'viewer', origins: [], scopes: [], role: 'viewer' } as const
  const { key } = await createApiKey(world.database.db, { ...given, cell, now: new Date() })
  viewer = world.client({ bearer: key })
  await publishDocument(world, 'flags', shop([forVeterans]))
})
afterAll(() => world?.stop())

type Question = CallOf<typeof route>['body']
const ask = async (question: Question) => (await viewer.evaluateAs({ body: question })).body

test('a viewer sees what somebody gets, and what was looked at on the way', async () => {
  const { flags, numbers } = await ask({ context: { level: 12 }, flags: ['shop'] })
  expect(numbers).toEqual({ flags: 1, 'live-events': null })
  expect(flags).toEqual([
    {
      result: { key: 'shop', value: 'new', variant: 'new', reason: 'TARGETING_MATCH' },
      steps: [
        {
          source: 'rule',
          name: '0',
          result: 'decides',
          compared: [
            {
              ...{ pointer: '/flags/shop/rules/0/if', attribute: 'audience', operator: 'equals' },
              ...{ operand: 'veterans', holds: true },
            },
            {
              ...{ pointer: '/audiences/veterans/if', attribute: 'level', operator: 'atLeast' },
              ...{ operand: 10, actual: 12, holds: true },
            },
          ],
        },
      ],
    },
  ])
  const [young] = (await ask({ context: { level: 9 }, flags: ['shop'] })).flags
  expect(young).toMatchObject({ result: { value: 'old', reason: 'DEFAULT' }, steps: [{ result: 'condition' }] })
})

test('what somebody has is told as rules are written, whatever its type', async () => {
  const own = { version: { type: 'version' }, since: { type: 'time' }, tags: { type: 'strings' } }
  const all = [
    { attribute: 'version', atLeast: '2.4.0-beta.1' },
    { attribute: 'since', lessThan: '2030-01-01T00:00:00Z' },
    { attribute: 'now', lessThan: '2030-01-01T00:00:00Z' },
    { attribute: 'tags', contains: 'gold' },
    { attribute: 'version', atLeast: '3' },
  ]
  const document = shop([{ if: { all }, serve: 'new' }])
  const draft = JSON.stringify({ ...document, attributes: { ...document.attributes, ...own } })
  await world.database.db.transaction((tx) => updateDraft(tx, 'flags', { draft }))
  const told = async (version: string) => {
    const context = { version, since: '2026-11-28T10:00:00+01:00', tags: ['gold'] }
    const at = '2026-11-28T12:00:00.000Z'
    const [flag] = (await ask({ context, at, document: 'draft', flags: ['shop'] })).flags
    return flag?.steps[0]?.compared.map(({ actual }) => actual)
  }
  const others = ['2026-11-28T09:00:00.000Z', '2026-11-28T12:00:00.000Z', ['gold']]
  expect(await told('2.5')).toEqual(['2.5.0', ...others, '2.5.0'])
  expect(await told('2.4.0-rc.1+build')).toEqual(['2.4.0-rc.1', ...others, '2.4.0-rc.1'])
  expect(await told('soon')).toEqual([undefined, ...others, undefined])
  await world.database.db.transaction((tx) => updateDraft(tx, 'flags', { draft: null }))
})

test('without names every flag is told of by its key; a name that nothing has is told as such', async () => {
  const all = await ask({ context: {} })
  expect(all.flags.map(({ result }) => result.key)).toEqual(['shop', 'theme'])
  const { flags } = await ask({ context: {}, flags: ['nothing'] })
  expect(flags).toEqual([
    { result: { key: 'nothing', errorCode: 'FLAG_NOT_FOUND', errorDetails: expect.any(String) }, steps: [] },
  ])
})

test('what has just been published is what is evaluated, and what an edge knows counts where it is known', async () => {
  await publishDocument(world, 'flags', shop([inFrance]))
  const resultOf = async (question: Partial<Question>) => {
    const { flags, numbers } = await ask({ context: {}, flags: ['shop'], ...question })
    expect(numbers.flags).toBe(2)
    return flags[0]?.result
  }
  expect(await resultOf({ known: { 'edge.country': 'FR' } })).toMatchObject({ value: 'new' })
  expect(await resultOf({ context: { 'edge.country': 'FR', edge: { country: 'FR' } } })).toMatchObject({ value: 'old' })
  const failure = await failureOf(ask({ context: {}, known: { 'edge.city': 'Paris', now: 'later' } }))
  expect([failure.code, failure.problem?.errors?.map(({ pointer }) => pointer)]).toEqual([
    'invalid_request',
    ['/known/edge.city', '/known/now'],
  ])
})

test('a draft is evaluated as it would be live; one that could not be published says what is wrong', async () => {
  const draft = (document: unknown) =>
    world.database.db.transaction((tx) => updateDraft(tx, 'flags', { draft: JSON.stringify(document) }))
  const question: Question = { context: {}, flags: ['shop'], document: 'draft' }
  await draft(shop([{ serve: 'fest' }]))
  const drafted = await ask(question)
  expect([drafted.numbers.flags, drafted.flags[0]?.result]).toMatchObject([null, { value: 'fest' }])
  expect((await ask({ ...question, document: 'live' })).flags[0]?.result).toMatchObject({ value: 'old' })

  await draft(shop([{ serve: 'nothing' }]))
  const failure = await failureOf(ask(question))
  expect(failure.is('content_invalid') && failure.problem).toMatchObject({
    faults: [{ pointer: '/flags/shop/rules/0/serve', detail: expect.any(String) }],
    faultsTotal: 1,
  })
  await world.database.db.transaction((tx) => updateDraft(tx, 'flags', { draft: null }))
  const live = await ask(question)
  expect([live.numbers.flags, live.flags[0]?.result]).toMatchObject([2, { value: 'old' }])
})

test('the moment that is asked about is the one that schedules go by', async () => {
  const [start, end] = ['2030-01-01T00:00:00.000Z', '2030-01-02T00:00:00.000Z']
  await publishDocument(world, 'live-events', {
    events: { fest: { title: 'Fest', schedule: { start, end }, flags: { shop: 'fest' } } },
  })
  const at = async (moment: string) => {
    const { at: told, flags } = await ask({ context: {}, flags: ['shop'], at: moment })
    expect(told).toBe(moment)
    return flags[0]
  }
  expect(await at(start)).toMatchObject({
    result: { value: 'fest', metadata: { liveEvent: 'fest', liveEventRun: 'fest.1' } },
    steps: [
      { source: 'live-event', name: 'fest.1', result: 'decides' },
      { source: 'rule', result: 'not-asked' },
    ],
  })
  expect(await at(end)).toMatchObject({ result: { value: 'old' } })
})
