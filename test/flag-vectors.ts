import { parseTime } from '#contract/evaluate/attribute.ts'
import { prepareLiveEvents } from '#contract/evaluate/calendar.ts'
import { type Documents, noDocuments, readCompiled } from '#contract/evaluate/compiled.ts'
import type { Answer } from '#contract/evaluate/evaluation.ts'
import { createEvaluator } from '#contract/evaluate/evaluator.ts'
import { prepareFlags } from '#contract/evaluate/flags.ts'
import { bucketOf, bytesOf, murmur3, seedOf } from '#contract/evaluate/hash.ts'
import { compareVersions, parseVersion } from '#contract/evaluate/version.ts'

/** What stands in test/vectors/flags.json. */
export type FlagVectors = {
  readonly about: readonly string[]
  readonly hash: readonly { readonly text: string; readonly seed: number; readonly hash: number }[]
  readonly buckets: readonly {
    readonly salt: string
    readonly unit: string
    readonly seed: number
    readonly bucket: number
  }[]
  readonly times: readonly { readonly text: string; readonly milliseconds: number | null }[]
  readonly versions: { readonly ordered: readonly (readonly string[])[]; readonly invalid: readonly string[] }
  readonly conditions: readonly ConditionVector[]
  readonly evaluations: readonly EvaluationVector[]
}

type ConditionVector = {
  readonly type: string
  readonly condition: Readonly<Record<string, unknown>>
  readonly holds: readonly unknown[]
  readonly fails: readonly unknown[]
  readonly missing: boolean
}

type EvaluationVector = {
  readonly about: string
  readonly flags: Documents['flags']
  readonly 'live-events'?: Documents['live-events']
  readonly cases: readonly {
    readonly about: string
    readonly context: Readonly<Record<string, unknown>>
    readonly known: Readonly<Record<string, string>>
    readonly now: string
    readonly expected: readonly unknown[]
  }[]
}

/** The same vectors with what this implementation answers in the place of what is expected; where there is neither, `missing`. */
export const answerVectors = (vectors: FlagVectors): FlagVectors => ({
  about: vectors.about,
  hash: vectors.hash.map(({ text, seed }) => ({ text, seed, hash: murmur3(bytesOf(text), seed) })),
  buckets: vectors.buckets.map(({ salt, unit }) => {
    const seed = seedOf(salt)
    return { salt, unit, seed, bucket: bucketOf(seed, bytesOf(unit)) }
  }),
  times: vectors.times.map(({ text }) => ({ text, milliseconds: parseTime(text) ?? null })),
  versions: {
    ordered: grouped(vectors.versions.ordered.flat()),
    invalid: vectors.versions.invalid.filter((text) => parseVersion(text) === undefined),
  },
  conditions: vectors.conditions.map((vector) => ({ ...vector, ...triedOf(vector) })),
  evaluations: vectors.evaluations.map((vector) => ({ ...vector, cases: evaluatedOf(vector) })),
})

/** Versions from the oldest to the newest, equal ones together, in the order in which they came. Each is compared with each. */
const grouped = (texts: readonly string[]): string[][] => {
  const isBefore = (a: string, b: string): boolean => {
    const [versionA, versionB] = [parseVersion(a), parseVersion(b)]
    return versionA !== undefined && versionB !== undefined && compareVersions(versionA, versionB) < 0
  }
  const older = (text: string) => texts.filter((other) => isBefore(other, text)).length
  const newer = (text: string) => texts.filter((other) => isBefore(text, other)).length
  const groups = Map.groupBy(texts, (text) => `${older(text)} ${newer(text)}`)
  return [...groups.values()].sort(([a = ''], [b = '']) => older(a) - older(b))
}

const triedOf = ({ type, condition, holds, fails }: ConditionVector) => {
  const flag = {
    type: 'boolean',
    enabled: true,
    variants: { on: true, off: false },
    default: 'off',
    unit: 'targetingKey',
    rules: [{ if: { attribute: 'it', ...condition }, serve: 'on' }],
    metadata: {},
  }
  // As an edge reads it.
  const document = { attributes: { it: { type } }, audiences: {}, flags: { flag }, experiments: {} }
  const flags = prepareFlags(readCompiled<'flags'>(JSON.stringify({ format: 1, document })))
  const isFulfilled = (context: Readonly<Record<string, unknown>>) => {
    const answer = flags.evaluate('flag', flags.factsOf({ context, known: {}, now: 0 }), new Map())?.answer
    return answer !== undefined && 'value' in answer && answer.value === true
  }
  const all = [...holds, ...fails]
  return {
    holds: all.filter((it) => isFulfilled({ it })),
    fails: all.filter((it) => !isFulfilled({ it })),
    missing: isFulfilled({}),
  }
}

const evaluatedOf = ({ flags, 'live-events': events, cases }: EvaluationVector): EvaluationVector['cases'] => {
  const calendar = prepareLiveEvents(events ?? noDocuments['live-events'])
  const evaluator = createEvaluator(prepareFlags(flags), calendar)
  return cases.map((one) => {
    const { context, known, now } = one
    const evaluations = evaluator.evaluateAll({ context, known, now: Date.parse(now) })
    return { ...one, expected: evaluations.map(({ answer }) => withoutDetails(answer)) }
  })
}

/** Details are for people, in words that may change. */
const withoutDetails = (answer: Answer) => {
  if (!('errorCode' in answer)) return answer
  const { errorDetails: _, ...rest } = answer
  return rest
}
