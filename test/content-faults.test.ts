import { expect, test } from 'vitest'
import type { ContentKind } from '#contract/content.ts'
import { noDocuments } from '#contract/evaluate/compiled.ts'
import { flagsDocumentSchema } from '#contract/evaluate/flags-document.ts'
import { liveEventsDocumentSchema } from '#contract/evaluate/live-events-document.ts'
import { compileContent, type Surroundings } from '#core/compile-content.ts'
import { eventOf, flagOf } from './content-calls.ts'

const currencies = new Set(['coins'])

const surroundings = ({
  flags = {},
  events = {},
}: {
  readonly flags?: object
  readonly events?: object
} = {}): Surroundings => ({
  live: {
    flags: flagsDocumentSchema.parse(flags),
    'live-events': liveEventsDocumentSchema.parse({ events }),
  },
  currencies,
})

const pointersOf = async (kind: ContentKind, document: unknown, around = surroundings()): Promise<string[]> => {
  const result = await compileContent(kind, JSON.stringify(document), around)
  return 'faults' in result ? result.faults.map(({ pointer }) => pointer).toSorted() : []
}

const halves = [
  { variant: 'on', basisPoints: 5_000 },
  { variant: 'off', basisPoints: 5_000 },
]
const experimentOf = (over: object = {}) => ({
  flag: 'f',
  state: 'running',
  trafficBasisPoints: 10_000,
  split: halves,
  ...over,
})
const withRule = (rule: unknown) => ({ flags: { f: flagOf({ rules: [rule] }) } })
const withCondition = (condition: unknown) => withRule({ if: condition, serve: 'on' })
const withExperiment = (over: object = {}) => ({ flags: { f: flagOf() }, experiments: { e: experimentOf(over) } })
const nestedNot = (levels: number): unknown =>
  levels === 0 ? { attribute: 'edge.country', equals: 'DE' } : { not: nestedNot(levels - 1) }
const many = (count: number, value: unknown, name = 'k') =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`${name}${at}`, value]))

test('documents that are whole have no fault', async () => {
  const whole: unknown[] = [
    {},
    { flags: { f: flagOf() } },
    withCondition(nestedNot(7)),
    {
      ...withCondition({ audience: 'a' }),
      audiences: { a: { if: { audience: 'b' } }, b: { if: { attribute: 'now', lessThan: '2026-01-01T00:00:00Z' } } },
    },
    withRule({ split: halves }),
    withExperiment({ exclusion: { group: 'g', from: 0, to: 10_000 } }),
    { attributes: { 'device.os': { type: 'string' } }, ...withCondition({ attribute: 'device.os', oneOf: ['ios'] }) },
  ]
  for (const document of whole) expect(await pointersOf('flags', document), JSON.stringify(document)).toEqual([])
  const live = surroundings({ flags: { flags: { f: flagOf() }, audiences: { a: { if: nestedNot(0) } } } })
  const event = eventOf({ audience: 'a', flags: { f: true }, rewards: [{ currency: 'coins', amount: 1 }] })
  expect(await pointersOf('live-events', { events: { summer: event } }, live)).toEqual([])
})

const f = '/flags/f'
const rule = `${f}/rules/0`
const faultsOfFlags: readonly (readonly [what: string, document: unknown, pointers: string[]])[] = [
  ['a list for a document', [], ['']],
  ['a member that there is not', { flag: {} }, ['/flag']],
  ['a key that is none', { flags: { 'New Shop': flagOf() } }, ['/flags/New Shop']],
  ['a key with what pointers escape', { flags: { 'a/b~c': flagOf() } }, ['/flags/a~1b~0c']],
  ['a flag that is no object', { flags: { f: null } }, [f]],
  ['a flag without anything', { flags: { f: {} } }, [`${f}/default`, `${f}/type`, `${f}/variants`]],
  ['a type that there is not', { flags: { f: flagOf({ type: 'colour' }) } }, [`${f}/type`]],
  ['no variant', { flags: { f: flagOf({ variants: {} }) } }, [`${f}/variants`]],
  ['a variant of another type', { flags: { f: flagOf({ variants: { on: 1, off: false } }) } }, [`${f}/variants/on`]],
  [
    'an integer beyond 2^53',
    { flags: { f: flagOf({ type: 'integer', variants: { off: 1.5 } }) } },
    [`${f}/variants/off`],
  ],
  ['a list for an object', { flags: { f: flagOf({ type: 'object', variants: { off: [] } }) } }, [`${f}/variants/off`]],
  ['a default that is no variant', { flags: { f: flagOf({ default: 'x' }) } }, [`${f}/default`]],
  ['a default that every object has', { flags: { f: flagOf({ default: 'constructor' }) } }, [`${f}/default`]],
  ['a unit that is not declared', { flags: { f: flagOf({ unit: 'device' }) } }, [`${f}/unit`]],
  [
    'a unit of another type',
    { attributes: { n: { type: 'number' } }, flags: { f: flagOf({ unit: 'n' }) } },
    [`${f}/unit`],
  ],
  ['an attribute that is known anyway', { attributes: { 'edge.city': { type: 'string' } } }, ['/attributes/edge.city']],
  ['an attribute name that is none', { attributes: { '1a': { type: 'string' } } }, ['/attributes/1a']],
  ['neither serve nor split', withRule({}), [rule]],
  ['both serve and split', withRule({ serve: 'on', split: halves }), [rule]],
  ['a served variant that there is not', withRule({ serve: 'x' }), [`${rule}/serve`]],
  ['shares that are no whole', withRule({ split: [{ variant: 'on', basisPoints: 1 }] }), [`${rule}/split`]],
  ['a share twice', withRule({ split: [halves[0], halves[0]] }), [`${rule}/split`]],
  [
    'a share of what there is not',
    withRule({ split: [{ variant: 'x', basisPoints: 10_000 }] }),
    [`${rule}/split/0/variant`],
  ],
  ['a condition that is none', withCondition('always'), [`${rule}/if`]],
  ['a condition of two', withCondition({ all: [], any: [] }), [`${rule}/if`]],
  ['a condition that is empty', withCondition({}), [`${rule}/if`]],
  ['a list of nothing', withCondition({ all: [] }), [`${rule}/if/all`]],
  [
    'a fault inside',
    withCondition({ any: [nestedNot(0), { not: { attribute: 'x' } }] }),
    [`${rule}/if/any/1/not/attribute`],
  ],
  ['conditions too deep', withCondition(nestedNot(8)), [`${rule}/if${'/not'.repeat(8)}`]],
  ['an audience that there is not', withCondition({ audience: 'x' }), [`${rule}/if/audience`]],
  ['an operator of another type', withCondition({ attribute: 'edge.country', lessThan: 1 }), [`${rule}/if/lessThan`]],
  ['two operators', withCondition({ attribute: 'edge.country', equals: 'DE', exists: true }), [`${rule}/if`]],
  ['an operand of another type', withCondition({ attribute: 'edge.country', equals: 1 }), [`${rule}/if/equals`]],
  [
    'one of a list of another type',
    withCondition({ attribute: 'edge.country', oneOf: ['DE', 1] }),
    [`${rule}/if/oneOf/1`],
  ],
  [
    'a text that is too long',
    withCondition({ attribute: 'edge.country', equals: 'x'.repeat(257) }),
    [`${rule}/if/equals`],
  ],
  ['a time that is none', withCondition({ attribute: 'now', lessThan: 'tomorrow' }), [`${rule}/if/lessThan`]],
  ['a name for metadata that is none', { flags: { f: flagOf({ metadata: { '': 1 } }) } }, [`${f}/metadata/`]],
  ['too many rules', { flags: { f: flagOf({ rules: Array(101).fill({ serve: 'on' }) }) } }, [`${f}/rules`]],
  ['too many audiences', { audiences: many(501, { if: nestedNot(0) }) }, ['/audiences']],
  ['an audience of itself', { audiences: { a: { if: { not: { audience: 'a' } } } } }, ['/audiences/a/if']],
  [
    'a circle of audiences',
    {
      audiences: {
        a: { if: { audience: 'b' } },
        b: { if: { all: [{ audience: 'c' }] } },
        c: { if: { audience: 'b' } },
      },
    },
    ['/audiences/b/if'],
  ],
  ['an experiment of no flag', { experiments: { e: experimentOf() } }, ['/experiments/e/flag']],
  [
    'an experiment with another variant',
    withExperiment({ split: [{ variant: 'x', basisPoints: 10_000 }] }),
    ['/experiments/e/split/0/variant'],
  ],
  ['a winner that is no variant', withExperiment({ state: 'concluded', winner: 'x' }), ['/experiments/e/winner']],
  ['an experiment of an unknown unit', withExperiment({ unit: 'x' }), ['/experiments/e/unit']],
  ['a condition of an experiment', withExperiment({ if: { audience: 'x' } }), ['/experiments/e/if/audience']],
  ['a share of nothing', withExperiment({ exclusion: { group: 'g', from: 5, to: 5 } }), ['/experiments/e/exclusion']],
  ['traffic above the whole', withExperiment({ trafficBasisPoints: 10_001 }), ['/experiments/e/trafficBasisPoints']],
]

test.each(faultsOfFlags)('flags: %s is pointed at', async (_, document, pointers) => {
  expect(await pointersOf('flags', document)).toEqual(pointers)
})

const e = '/events/summer'
const faultsOfEvents: readonly (readonly [what: string, over: object, pointers: string[]])[] = [
  ['no title', { title: '' }, [`${e}/title`]],
  ['no schedule', { schedule: undefined }, [`${e}/schedule`]],
  ['an audience that is not live', { audience: 'x' }, [`${e}/audience`]],
  ['a flag that is not live', { flags: { x: true } }, [`${e}/flags/x`]],
  ['a flag that every object has', { flags: { constructor: true } }, [`${e}/flags/constructor`]],
  ['a value of another type', { flags: { f: 'on' } }, [`${e}/flags/f`]],
  [
    'a currency that is not declared',
    {
      rewards: [
        { currency: 'coins', amount: 1 },
        { currency: 'gems', amount: 1 },
      ],
    },
    [`${e}/rewards/1/currency`],
  ],
  ['a currency twice', { rewards: Array(2).fill({ currency: 'coins', amount: 1 }) }, [`${e}/rewards`]],
  ['a reward of nothing', { rewards: [{ currency: 'coins', amount: 0 }] }, [`${e}/rewards/0/amount`]],
  ['metadata above 8 KiB', { metadata: { a: 'x'.repeat(8_192) } }, [`${e}/metadata`]],
  ['a member that there is not', { state: 'active' }, [`${e}/state`]],
]

test.each(faultsOfEvents)('live events: %s is pointed at', async (_, over, pointers) => {
  const live = surroundings({ flags: { flags: { f: flagOf() } } })
  expect(await pointersOf('live-events', { events: { summer: eventOf(over) } }, live)).toEqual(pointers)
})

test('live events: a key with what ids of runs part by is none', async () => {
  expect(await pointersOf('live-events', { events: { a_b: eventOf(), 'a.b': eventOf() } })).toEqual([
    '/events/a.b',
    '/events/a_b',
  ])
})

const groupOf = (...members: readonly object[]) => ({
  flags: { f: flagOf() },
  attributes: { device: { type: 'string' } },
  experiments: Object.fromEntries(members.map((over, at) => [`e${at}`, experimentOf(over)])),
})
const shares = (from: number, to: number, group = 'g') => ({ exclusion: { group, from, to } })

test('live events: a time in another form is told the form', async () => {
  const end = '2026-12-02T00:00:00.000Z'
  for (const start of ['2026-12-01T00:00:00Z', '2026-12-01T00:00:00.000+01:00', 'tomorrow', undefined]) {
    const document = { events: { e: eventOf({ schedule: { start, end } }) } }
    expect(await compileContent('live-events', JSON.stringify(document), surroundings())).toEqual({
      faults: [{ pointer: '/events/e/schedule/start', detail: expect.stringContaining('2026-12-01T09:00:00.000Z') }],
    })
  }
})

test('experiments of a group that have begun take shares that do not overlap, of one unit', async () => {
  const overlaps = [
    [shares(0, 5_000), shares(4_999, 10_000)],
    [shares(4_999, 10_000), shares(0, 5_000)],
    [shares(0, 10_000), { ...shares(1, 2), state: 'paused' }],
  ] as const
  for (const members of overlaps)
    expect(await pointersOf('flags', groupOf(...members))).toEqual(['/experiments/e1/exclusion'])
  const apart = [
    [shares(0, 5_000), shares(5_000, 10_000)],
    [shares(5_000, 10_000), shares(0, 5_000)],
    [shares(0, 10_000), shares(0, 10_000, 'h')],
    [shares(0, 10_000), { ...shares(0, 10_000), state: 'draft' }],
    [shares(0, 10_000), { ...shares(0, 10_000), state: 'concluded' }],
    [shares(0, 10_000), {}],
  ] as const
  for (const members of apart) expect(await pointersOf('flags', groupOf(...members))).toEqual([])
  const units = groupOf(shares(0, 1), { ...shares(1, 2), unit: 'device' })
  expect(await pointersOf('flags', units)).toEqual(['/experiments/e1/unit'])
})

const moved = [
  { variant: 'on', basisPoints: 4_000 },
  { variant: 'off', basisPoints: 6_000 },
]
/** What may not change of an experiment in a run of it that has begun, and where that is told. */
const sticky: readonly (readonly [pointer: string, over: object])[] = [
  ['/experiments/e/split', { split: moved }],
  ['/experiments/e/split', { split: halves.toReversed() }],
  ['/experiments/e/unit', { unit: 'device' }],
  ['/experiments/e/flag', { flag: 'other' }],
  ['/experiments/e/state', { state: 'draft' }],
  ['/experiments/e/run', { run: 1 }],
]
const running = (over: object = {}) => ({
  attributes: { device: { type: 'string' } },
  flags: { f: flagOf(), other: flagOf() },
  experiments: { e: experimentOf({ run: 2, ...over }) },
})

test('what decides the variants of a run that has begun stays, running, paused or over, until a new run', async () => {
  for (const state of ['running', 'paused', 'concluded']) {
    const live = surroundings({ flags: running({ state }) })
    for (const [pointer, over] of sticky) {
      const told = JSON.stringify([state, over])
      expect(await pointersOf('flags', running({ state, ...over }), live), told).toEqual([pointer])
      expect(await pointersOf('flags', running({ state, ...over, run: 3 }), live), told).toEqual([])
    }
    for (const free of [
      { trafficBasisPoints: 1 },
      { if: nestedNot(0) },
      { state: 'paused' },
      { state: 'running' },
      { priority: 3 },
    ])
      expect(await pointersOf('flags', running({ state, ...free }), live)).toEqual([])
  }
  const drafted = surroundings({ flags: running({ state: 'draft' }) })
  expect(await pointersOf('flags', running({ split: moved }), drafted)).toEqual([])
  expect(await pointersOf('flags', running({ run: 1 }), drafted)).toEqual(['/experiments/e/run'])
})

test('flags that live events speak of stay, with their type, and so do audiences', async () => {
  const event = eventOf({ audience: 'a', flags: { f: true } })
  const live = surroundings({ events: { summer: event } })
  const audiences = { a: { if: nestedNot(0) } }
  expect(await pointersOf('flags', { flags: { f: flagOf() }, audiences }, live)).toEqual([])
  expect(await pointersOf('flags', {}, live)).toEqual(['/audiences', '/flags'])
  const texts = { f: flagOf({ type: 'string', variants: { off: 'off' } }) }
  expect(await pointersOf('flags', { flags: texts, audiences }, live)).toEqual(['/flags/f/type'])
})

test('two documents that mean the same have the same hash, and what edges get has no words for people', async () => {
  const hashOf = async (document: unknown) => {
    const result = await compileContent('flags', JSON.stringify(document), { live: noDocuments, currencies })
    return 'content' in result ? result.content : expect.fail(JSON.stringify(result.faults))
  }
  const bare = await hashOf({ flags: { a: flagOf(), b: flagOf() } })
  const same = {
    experiments: { e: experimentOf({ flag: 'a', state: 'draft' }) },
    flags: {
      b: flagOf({ enabled: true, rules: [] }),
      a: flagOf({ description: 'a secret plan', unit: 'targetingKey' }),
    },
  }
  expect(await hashOf(same)).toEqual(bare)
  expect((await hashOf({ flags: { a: flagOf(), b: flagOf({ enabled: false }) } })).hash).not.toBe(bare.hash)
})

test('the largest documents leave others their turn of the loop', async () => {
  const rules = Array.from({ length: 20 }, (_, at) => ({
    if: {
      all: [
        { attribute: 'edge.country', equals: 'DE' },
        { attribute: 'level', moreThan: at },
      ],
    },
    serve: 'on',
  }))
  const document = { attributes: { level: { type: 'number' } }, flags: many(1_000, flagOf({ rules })) }
  const text = JSON.stringify(document)
  const around = surroundings({ flags: document })
  let turns = 0
  let longestMs = 0
  let lastMs = performance.now()
  const timer = setInterval(() => {
    turns++
    longestMs = Math.max(longestMs, performance.now() - lastMs)
    lastMs = performance.now()
  }, 1)
  const startedAt = performance.now()
  const result = await compileContent('flags', text, around)
  clearInterval(timer)
  expect('content' in result).toBe(true)
  console.log(
    `1,000 flags of 20 rules: ${Math.round(performance.now() - startedAt)} ms, longest turn ${Math.round(longestMs)} ms, ${turns} turns between`,
  )
  expect(turns).toBeGreaterThanOrEqual(2)
})

const nothings = (count: number) => Array.from({ length: count }, () => ({}))
const members = Object.fromEntries(Array.from({ length: 3_000 }, (_, at) => [`x${at}`, 0]))
const zeros = (levels: number): unknown =>
  levels === 0 ? 0 : { any: Array.from({ length: 50 }, () => zeros(levels - 1)) }

test.each<[string, object, number]>([
  ['rules', { flags: many(2_000, flagOf({ rules: nothings(100) })) }, 2_000],
  ['parts of splits', { flags: many(500, flagOf({ rules: [{ split: nothings(50) }] })) }, 2_000],
  ['names', { flags: { f: flagOf({ rules: Array.from({ length: 100 }, () => members) }) } }, 2_000],
  ['names of tables', members, 2_000],
  ['values', { flags: many(2_000, { type: 'integer', default: 'v0', variants: many(50, true, 'v') }) }, 2_000],
  ['conditions', { audiences: many(500, { if: zeros(2) }) }, 2_000],
  ['parts of one condition', { audiences: { a: { if: zeros(3) } } }, 100],
  ['flags', { flags: many(100_000, {}) }, 1],
  ['variants', { flags: { f: flagOf({ variants: many(100_000, true) }) } }, 1],
  ['rules of one flag', { flags: { f: flagOf({ rules: nothings(100_000) }) } }, 1],
])(
  'of a large document whose %s are all wrong no more is told than anybody would mend in one go',
  async (_, document, told) => {
    expect(await pointersOf('flags', document)).toHaveLength(told)
  },
)
