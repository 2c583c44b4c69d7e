import fc from 'fast-check'
import type { AttributeType } from '#contract/evaluate/attribute.ts'

/** Attributes that documents declare, each of any type. Some are members of every object, or of every list. */
export const attributeNames = [
  'level',
  'device.os',
  'device.info.build',
  'constructor',
  'length',
  'tags.length',
  'guild',
]

/** Attributes that units may be told apart by, where they are texts. */
export const unitNames = ['guild', 'player.id', 'edge.country', 'device.os']

const texts = ['', 'a', 'ab', 'abc', 'bc', 'A', 'DE', 'é', 'e\u0301', '😀', 'a😀b', 'ply_eu1_01jd']
const numbers = [-1, 0, 1, 1.5, 2, 1e300, 2 ** 53, 0.1]
const times = [
  '1970-01-01T00:00:00Z',
  '1970-01-01T00:00:01Z',
  '1970-01-01T01:00:01.500+01:00',
  '2000-02-29T23:59:59.999999999Z',
]
const versions = [
  '1',
  '1.0.0',
  '1.0.1',
  '1.2',
  '1.2.0-beta',
  '1.2.0-beta.2',
  '1.2.0-beta.11',
  '1.2.0-1',
  '10.0',
  '1.2.0+build',
]

/** What stands in rules, by the type of the attribute. */
export const operandPools: Readonly<Record<AttributeType, readonly unknown[]>> = {
  string: texts,
  number: numbers,
  boolean: [true, false],
  time: times,
  version: versions,
  strings: texts.slice(0, 5),
}

/** What looks like something that could be compared, and is not. */
const strange: readonly unknown[] = [
  null,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  -0,
  '\ud83d',
  'a\ude00',
  '1970-02-30T00:00:00Z',
  '1900-02-29T00:00:00Z',
  '1970-01-01T24:00:00Z',
  '1970-01-01t00:00:00z',
  '1970-01-01',
  '0000-02-29T00:00:00+23:59',
  '01.2',
  '1.2.0-01',
  '1.2.3.4',
  '202611271800',
  '1.0.0-20261127180000',
  '1.0.0-1000000000000000',
  '1.0.0+',
  '1.0.0-',
  ' 1.0.0',
  'a'.repeat(1_024),
  'a'.repeat(1_025),
  [],
  {},
  [[]],
]

const scalars = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...texts, ...numbers, true, false, ...times, ...versions) },
  { weight: 2, arbitrary: fc.constantFrom(...strange) },
)
const lists = fc.array(fc.oneof(fc.constantFrom(...texts.slice(0, 5)), scalars), { maxLength: 4 })
const values = fc.oneof(
  { weight: 6, arbitrary: scalars },
  { weight: 2, arbitrary: lists },
  { weight: 1, arbitrary: fc.jsonValue() },
)

const targetingKeys = fc.oneof(
  { weight: 6, arbitrary: fc.uuid() },
  { weight: 2, arbitrary: fc.nat(99_999).map(String) },
  { weight: 1, arbitrary: scalars },
)

/** Members that share their names with attributes: literal, nested, in a list, or all at once. */
const likely = fc.record(
  {
    targetingKey: targetingKeys,
    level: values,
    guild: values,
    constructor: values,
    length: values,
    'device.os': values,
    'device.info.build': values,
    device: fc.oneof(
      fc.record(
        { os: values, info: fc.oneof(fc.record({ build: values }), values), 'info.build': values },
        { requiredKeys: [] },
      ),
      values,
    ),
    tags: fc.oneof(lists, fc.record({ length: values })),
    'player.id': values,
    'edge.country': values,
    edge: fc.record({ country: values }),
    player: fc.record({ id: values }),
    now: values,
  },
  { requiredKeys: ['targetingKey'] },
)

/** Anything that JSON can be, its own `__proto__` too. */
const unlikely = fc
  .dictionary(
    fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('__proto__', 'toString', '0', '1e3', 'hasOwnProperty')),
    fc.oneof(fc.jsonValue({ maxDepth: 6, stringUnit: 'binary' }), values),
    { maxKeys: 8 },
  )
  .map((members) => JSON.parse(JSON.stringify(members)) as Record<string, unknown>)

export const contexts: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
  { weight: 6, arbitrary: likely },
  { weight: 2, arbitrary: likely.map(({ targetingKey: _, ...members }) => members) },
  { weight: 1, arbitrary: unlikely },
  { weight: 1, arbitrary: fc.tuple(unlikely, likely).map(([more, own]) => ({ ...more, ...own })) },
)

/** What is known of whoever asks without being told. */
export const knowns = fc.record(
  {
    'player.id': fc.constantFrom('ply_eu1_01jd', ''),
    'edge.country': fc.constantFrom('DE', 'US'),
    'edge.continent': fc.constant('EU'),
  },
  { requiredKeys: [] },
)

/** Around the ends of live events, and of the times in rules. */
export const moments = fc.constantFrom(-1, 0, 999, 1_000, 1_001, 1_500, 2_000, 3_000)
