import { expect, test } from 'vitest'
import { prepareLiveEvents } from '#contract/evaluate/calendar.ts'
import type { Answer } from '#contract/evaluate/evaluation.ts'
import { createEvaluator } from '#contract/evaluate/evaluator.ts'
import { prepareFlags } from '#contract/evaluate/flags.ts'
import { flagsDocumentSchema } from '#contract/evaluate/flags-document.ts'
import { noLiveEvents } from '#contract/evaluate/live-events-document.ts'
import { kindsOfUnits, unitsMax } from './units.ts'

/** Who gets what, counted over 100,000 units of each kind, which are the same each time. */

const kinds = kindsOfUnits()
const salts = ['new-shop', 'ab', 'x', 'checkout_button_colour_2026']

type Arms = readonly (readonly [variant: string, basisPoints: number])[]

const splitOf = (arms: Arms) => arms.map(([variant, basisPoints]) => ({ variant, basisPoints }))

const variants = { a: 'a', b: 'b', c: 'c', d: 'd', none: 'none' }

const flagOf = (rules: readonly object[] = []) => ({ type: 'string', variants, default: 'none', rules })

type Drafted = {
  readonly flags: Readonly<Record<string, object>>
  readonly experiments?: Readonly<Record<string, object>>
}

/** By the flag's key, what each unit gets; `none` for the default. */
const drawn = (document: Drafted, units: readonly string[]): Record<string, string[]> => {
  const flags = prepareFlags(flagsDocumentSchema.parse(document))
  const evaluator = createEvaluator(flags, prepareLiveEvents(noLiveEvents))
  const got: Record<string, string[]> = Object.fromEntries(flags.keys.map((key) => [key, []]))
  for (const targetingKey of units)
    for (const { answer } of evaluator.evaluateAll({ context: { targetingKey }, known: {}, now: 0 }))
      got[answer.key]?.push(variantOf(answer))
  return got
}

const variantOf = (answer: Answer): string => ('variant' in answer ? answer.variant : answer.errorCode)

/** Of all of them, in basis points. */
const shareOf = (got: readonly string[] | undefined, variant: string): number => {
  if (!got || got.length === 0) throw new Error('there is nobody to share out')
  return (got.filter((one) => one === variant).length / got.length) * 10_000
}

/** 1 % of the whole: more than six times what chance moves a half of 100,000. */
const toleranceBasisPoints = 100

const expectShares = (got: readonly string[] | undefined, arms: Arms, about: string) => {
  for (const [variant, basisPoints] of arms) {
    const off = Math.abs(shareOf(got, variant) - basisPoints)
    expect(off, `${about}: ${variant} is ${off} basis points off`).toBeLessThan(toleranceBasisPoints)
  }
}

const experimentOf = (flag: string, rest: object) => ({ flag, state: 'running', trafficBasisPoints: 10_000, ...rest })

const halves: Arms = [
  ['a', 5_000],
  ['b', 5_000],
]
const uneven: Arms = [
  ['a', 100],
  ['b', 900],
  ['c', 4_000],
  ['d', 5_000],
]
const thirds: Arms = [
  ['a', 3_333],
  ['b', 3_333],
  ['c', 3_334],
]

test.each(kinds)('of 100,000 $kind each variant of a split gets its share, to 1 %', ({ units }) => {
  for (const arms of [halves, uneven, thirds]) {
    const flags = Object.fromEntries(salts.map((salt) => [salt, flagOf([{ split: splitOf(arms) }])]))
    for (const [salt, got] of Object.entries(drawn({ flags }, units))) expectShares(got, arms, salt)
  }
})

test.each(kinds)(
  'of 100,000 $kind each variant of an experiment gets its share of those who take part, to 1 %',
  ({ units }) => {
    for (const run of [1, 2])
      for (const trafficBasisPoints of [5_000, 10_000]) {
        const flags = Object.fromEntries(salts.map((salt) => [salt, flagOf()]))
        const experiments = Object.fromEntries(
          salts.map((salt) => [salt, experimentOf(salt, { run, trafficBasisPoints, split: splitOf(thirds) })]),
        )
        for (const [salt, got] of Object.entries(drawn({ flags, experiments }, units))) {
          expectShares(got, [['none', 10_000 - trafficBasisPoints]], salt)
          expectShares(takersOf(got), thirds, salt)
        }
      }
  },
)

const takersOf = (got: readonly string[]) => got.filter((variant) => variant !== 'none')

test.each(kinds)(
  'of 100,000 $kind nobody changes variant or leaves when traffic grows from 10 to 50 %',
  ({ units }) => {
    const at = (trafficBasisPoints: number) =>
      drawn(
        {
          flags: { shop: flagOf() },
          experiments: { shop: experimentOf('shop', { trafficBasisPoints, split: splitOf(uneven) }) },
        },
        units,
      ).shop ?? []
    const [before, after] = [at(1_000), at(5_000)]
    expectShares(before, [['none', 9_000]], 'at first')
    expectShares(after, [['none', 5_000]], 'grown')
    expect(before.filter((variant, unit) => variant !== 'none' && variant !== after[unit])).toEqual([])
  },
)

test.each(kinds)('of 100,000 $kind nobody leaves the first share of a split when it grows', ({ units }) => {
  const at = (first: number) => {
    const split = splitOf([
      ['a', first],
      ['b', 10_000 - first],
    ])
    return drawn({ flags: { shop: flagOf([{ split }]) } }, units).shop ?? []
  }
  const shares = [0, 1, 1_000, 5_000, 9_999, 10_000].map((first) => at(first))
  for (const [index, after] of shares.entries())
    expect(after.filter((variant, unit) => variant === 'b' && shares[index - 1]?.[unit] === 'a')).toEqual([])
  expect(shareOf(shares[0], 'b')).toBe(10_000)
  expect(shareOf(shares.at(-1), 'a')).toBe(10_000)
})

test.each(kinds)('what one of 100,000 $kind draws tells nothing of what else it draws', ({ kind, units }) => {
  const split = splitOf(halves)
  const group = (from: number, to: number) => ({ exclusion: { group: 'shop', from, to } })
  const flags = Object.fromEntries(
    ['split', 'other-split', 'one', 'two', 'again', 'traffic', 'grouped', 'grouped-too'].map((key) => [
      key,
      flagOf(key.endsWith('split') ? [{ split }] : []),
    ]),
  )
  const experiments = {
    one: experimentOf('one', { split }),
    two: experimentOf('two', { split }),
    traffic: experimentOf('traffic', { split: splitOf([['a', 10_000]]), trafficBasisPoints: 5_000 }),
    grouped: experimentOf('grouped', { split: splitOf([['a', 10_000]]), ...group(0, 5_000) }),
    'grouped-too': experimentOf('grouped-too', { split, ...group(5_000, 10_000) }),
  }
  const got = drawn({ flags, experiments }, units)
  /** The experiment of the same key that traffic and group are drawn for, with everybody in it, and in the next run. */
  const alone = (key: string, experiment: object) =>
    drawn({ flags: { [key]: flagOf() }, experiments: { [key]: experiment } }, units)[key]
  const others = {
    traffic: alone('traffic', experimentOf('traffic', { split })),
    grouped: alone('grouped', experimentOf('grouped', { split })),
    one: alone('one', experimentOf('one', { split, run: 2 })),
    trafficAnew: alone('traffic', { ...experiments.traffic, run: 2 }),
    /** The experiment that is named as the flag is. */
    split: alone('split', experimentOf('split', { split })),
  }
  const pairs = {
    'two flags': [got.split, got['other-split']],
    'two experiments': [got.one, got.two],
    'a flag and the experiment of its name': [got.split, others.split],
    'traffic and variant': [got.traffic, others.traffic],
    'group and variant': [got.grouped, others.grouped],
    'two runs': [got.one, others.one],
    'the traffic of two runs': [got.traffic, others.trafficAnew],
    'group and traffic': [got.grouped, got.traffic],
  }
  const found = Object.entries(pairs).map(([name, [a = [], b = []]]) => [name, chiSquare(a, b)] as const)
  console.log(`${kind}: ${found.map(([name, value]) => `${name} ${value.toFixed(2)}`).join(', ')}`)
  for (const [name, value] of found) expect(value, name).toBeLessThan(chiSquareMax)
})

/** Of a table of two by two: chance passes it once in 10,000 times, and the units are the same each time. */
const chiSquareMax = 15.1

const chiSquare = (a: readonly string[], b: readonly string[]): number => {
  const counts = [0, 0, 0, 0]
  // Each has two outcomes: the first one by its letter, or not.
  for (const [unit, variant] of a.entries()) {
    const cell = (variant === 'a' ? 0 : 2) + (b[unit] === 'a' ? 0 : 1)
    counts[cell] = (counts[cell] ?? 0) + 1
  }
  const [both = 0, onlyA = 0, onlyB = 0, neither = 0] = counts
  const sums = [both + onlyA, onlyB + neither, both + onlyB, onlyA + neither]
  // Where all draw the same, nothing is drawn.
  if (sums.includes(0)) return Number.POSITIVE_INFINITY
  return sums.reduce((value, sum) => value / sum, unitsMax * (both * neither - onlyA * onlyB) ** 2)
}

test.each(kinds)(
  'none of 100,000 $kind is in two experiments of a group, and each is in one where they share out all of it',
  ({ units }) => {
    const slices = [
      ['one', 0, 2_500],
      ['two', 2_500, 2_501],
      ['three', 2_501, 10_000],
    ] as const
    const flags = Object.fromEntries(slices.map(([key]) => [key, flagOf()]))
    const experiments = Object.fromEntries(
      slices.map(([key, from, to]) => [
        key,
        experimentOf(key, { split: splitOf(thirds), exclusion: { group: 'shop', from, to } }),
      ]),
    )
    const got = drawn({ flags, experiments }, units)
    for (const [key, from, to] of slices) expectShares(got[key], [['none', 10_000 - (to - from)]], key)
    for (const [unit, name] of units.entries()) {
      const taking = slices.filter(([key]) => got[key]?.[unit] !== 'none')
      expect(taking.length, name).toBe(1)
    }
    expectShares(takersOf(got.three ?? []), thirds, 'three')
  },
)

test('a flag of numbers is answered with a point, and one of whole numbers without', () => {
  const textOf = (type: string, value: number): string => {
    const flag = { type, variants: { only: value }, default: 'only' }
    const flags = prepareFlags(flagsDocumentSchema.parse({ flags: { price: flag } }))
    const evaluator = createEvaluator(flags, prepareLiveEvents(noLiveEvents))
    const { text = '' } = evaluator.evaluate('price', { context: {}, known: {}, now: 0 }) ?? {}
    expect(JSON.parse(text)).toEqual({ key: 'price', value, variant: 'only', reason: 'STATIC' })
    return text
  }
  expect(textOf('number', 2)).toContain('"value":2.0,')
  expect(textOf('number', -7)).toContain('"value":-7.0,')
  expect(textOf('number', 2.5)).toContain('"value":2.5,')
  expect(textOf('number', 1e21)).toContain('"value":1e+21,')
  expect(textOf('integer', 2)).toContain('"value":2,')
})
