import fc from 'fast-check'
import { type AttributeType, attributeTypes } from '#contract/evaluate/attribute.ts'
import { operatorsOf } from '#contract/evaluate/condition.ts'
import { type FlagsDocument, type FlagType, flagsDocumentSchema, flagTypes } from '#contract/evaluate/flags-document.ts'
import { attributeNames, operandPools, unitNames } from './context-arbitraries.ts'

/** Documents that pass every check. Everything is drawn from small pools, so that rules do meet the contexts. */

/** Names of things, of which some are members of every object of JavaScript. */
const flagKeys = ['one', 'two', 'constructor', 'valueof', '9']
const audienceNames = ['z', 'constructor', 'a', 'm', '1']
const experimentKeys = ['alpha', 'beta', 'constructor', '7', 'zeta']
const variantNames = ['on', 'off', 'constructor', '0', 'third']

const typesOf: fc.Arbitrary<ReadonlyMap<string, AttributeType>> = fc
  .record(Object.fromEntries(attributeNames.map((name) => [name, fc.constantFrom(...attributeTypes)])))
  .map((types) => new Map(Object.entries(types)))

const builtInTypes: readonly (readonly [string, AttributeType])[] = [
  ['targetingKey', 'string'],
  ['now', 'time'],
  ['player.id', 'string'],
  ['edge.country', 'string'],
]

type Vocabulary = { readonly types: ReadonlyMap<string, AttributeType>; readonly audiences: readonly string[] }

const comparisons = ({ types }: Vocabulary): fc.Arbitrary<object> =>
  fc.constantFrom(...builtInTypes, ...types).chain(([attribute, type]) =>
    fc.constantFrom(...operatorsOf[type]).chain((operator) => {
      if (operator === 'exists') return fc.record({ attribute: fc.constant(attribute), exists: fc.boolean() })
      const operand = fc.constantFrom(...operandPools[type])
      const operands = operator === 'oneOf' ? fc.array(operand, { minLength: 1, maxLength: 3 }) : operand
      return operands.map((value) => ({ attribute, [operator]: value }))
    }),
  )

const conditions = (vocabulary: Vocabulary, depth = 0): fc.Arbitrary<object> => {
  const leaves = [{ weight: 6, arbitrary: comparisons(vocabulary) }]
  if (vocabulary.audiences.length > 0)
    leaves.push({ weight: 2, arbitrary: fc.constantFrom(...vocabulary.audiences).map((audience) => ({ audience })) })
  if (depth > 2) return fc.oneof(...leaves)
  const inner = conditions(vocabulary, depth + 1)
  const parts = fc.array(inner, { minLength: 1, maxLength: 3 })
  return fc.oneof(
    ...leaves,
    { weight: 2, arbitrary: parts.map((all) => ({ all })) },
    { weight: 2, arbitrary: parts.map((any) => ({ any })) },
    { weight: 2, arbitrary: inner.map((not) => ({ not })) },
  )
}

/** Each may speak of those before it; the document tells them in another order. */
const audiences = (types: ReadonlyMap<string, AttributeType>): fc.Arbitrary<Record<string, unknown>> => {
  const all = audienceNames.map((name, index) =>
    conditions({ types, audiences: audienceNames.slice(0, index) }).map(
      (condition) => [name, { if: condition }] as const,
    ),
  )
  return fc
    .tuple(fc.tuple(...all), fc.nat(audienceNames.length))
    .map(([entries, turn]) => Object.fromEntries([...entries.slice(turn), ...entries.slice(0, turn)]))
}

/** Shares of variants that are 10,000 together, some of them nothing. */
const splits = (variants: readonly string[]) =>
  fc
    .tuple(
      fc.shuffledSubarray([...variants], { minLength: 1 }),
      fc.array(fc.oneof(fc.integer({ min: 0, max: 10_000 }), fc.constantFrom(0, 1, 5_000, 9_999, 10_000)), {
        minLength: variants.length,
        maxLength: variants.length,
      }),
    )
    .map(([arms, cuts]) => {
      const ends = [...cuts.slice(0, arms.length - 1).sort((a, b) => a - b), 10_000]
      return arms.map((variant, at) => ({
        variant,
        basisPoints: (ends[at] ?? 0) - (at === 0 ? 0 : (ends[at - 1] ?? 0)),
      }))
    })

/** Values of a flag's type. */
export const valuesOfType: Readonly<Record<FlagType, fc.Arbitrary<unknown>>> = {
  boolean: fc.boolean(),
  string: fc.constantFrom('', 'red', '\ud83d', 'ä"\\\n'),
  integer: fc.constantFrom(0, -1, 7, 2 ** 53 - 1),
  number: fc.constantFrom(0, 0.1, -1e300, 5e-324),
  object: fc.constantFrom({}, { b: 1, a: [null, { c: 'x' }] }, { constructor: 1, 10: 2, 9: 3 }),
}

const units = (types: ReadonlyMap<string, AttributeType>) =>
  fc.constantFrom(
    'targetingKey',
    'targetingKey',
    ...unitNames.filter((name) => (types.get(name) ?? 'string') === 'string'),
  )

const flags = (vocabulary: Vocabulary): fc.Arbitrary<object> =>
  fc
    .tuple(fc.constantFrom(...flagTypes), fc.shuffledSubarray(variantNames, { minLength: 2 }))
    .chain(([type, variants]) =>
      fc.record({
        type: fc.constant(type),
        enabled: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, fc.constant(false)),
        variants: fc.record(Object.fromEntries(variants.map((variant) => [variant, valuesOfType[type]]))),
        default: fc.constantFrom(...variants),
        unit: units(vocabulary.types),
        rules: fc.array(
          fc.oneof(
            fc.record({ if: conditions(vocabulary), serve: fc.constantFrom(...variants) }),
            fc.record({ if: conditions(vocabulary), split: splits(variants) }, { requiredKeys: ['split'] }),
          ),
          { maxLength: 4 },
        ),
        metadata: fc.constantFrom({}, {}, { owner: 'growth', constructor: 1, experiment: 'its own' }),
      }),
    )

/** Experiments of one group take slices that do not overlap, and are drawn by the same unit. */
const experiments = (vocabulary: Vocabulary, flagsOf: Readonly<Record<string, object>>): fc.Arbitrary<unknown> => {
  const one = (at: number) =>
    fc.constantFrom(...Object.entries(flagsOf)).chain(([flag, definition]) => {
      const variants = Object.keys((definition as { variants: object }).variants)
      return fc.record(
        {
          flag: fc.constant(flag),
          state: fc.constantFrom('draft', 'running', 'running', 'running', 'paused', 'concluded'),
          run: fc.constantFrom(1, 2, 2_147_483_647),
          if: fc.option(conditions(vocabulary), { nil: undefined, freq: 1 }),
          unit: fc.constant('targetingKey'),
          trafficBasisPoints: fc.constantFrom(0, 1, 5_000, 9_999, 10_000, 10_000, 10_000),
          split: splits(variants),
          exclusion: fc.constantFrom(
            undefined,
            undefined,
            undefined,
            { group: 'shop', from: at * 2_000, to: at * 2_000 + 2_000 },
            { group: 'constructor', from: at * 2_000 + 500, to: at * 2_000 + 501 },
          ),
          priority: fc.constantFrom(-1, 0, 0, 5),
          winner: fc.constantFrom(...variants),
        },
        { requiredKeys: ['flag', 'state', 'unit', 'trafficBasisPoints', 'split', 'priority'] },
      )
    })
  return fc
    .shuffledSubarray(experimentKeys, { minLength: 2 })
    .chain((keys) => fc.record(Object.fromEntries(keys.map((key, at) => [key, one(at)]))))
}

/** A document as somebody would write it, defaults left out, and whole. */
export const flagsDocuments: fc.Arbitrary<FlagsDocument> = typesOf.chain((types) =>
  audiences(types).chain((audiencesOf) => {
    const vocabulary = { types, audiences: Object.keys(audiencesOf) }
    const attributes = Object.fromEntries([...types].map(([name, type]) => [name, { type }]))
    return fc
      .record(Object.fromEntries(flagKeys.map((key) => [key, flags(vocabulary)])))
      .chain((flagsOf) =>
        experiments(vocabulary, flagsOf).map((experimentsOf) =>
          flagsDocumentSchema.parse({ attributes, audiences: audiencesOf, flags: flagsOf, experiments: experimentsOf }),
        ),
      )
  }),
)
