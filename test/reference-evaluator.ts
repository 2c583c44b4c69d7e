import type { Comparison, Condition } from '#contract/evaluate/condition.ts'
import type { Answer } from '#contract/evaluate/evaluation.ts'
import type { Experiment, Flag, FlagsDocument, FlagType, Split } from '#contract/evaluate/flags-document.ts'
import type { LiveEventsDocument } from '#contract/evaluate/live-events-document.ts'
import {
  type ReferenceSubject,
  type ReferenceVersion,
  referenceCompare,
  referenceRead,
  referenceType,
  referenceValue,
} from './reference-attributes.ts'
import { referenceBucket } from './reference-hash.ts'

/** A second evaluator, written from docs/evaluation.md alone: slow, and as plain as its text. Events have fixed schedules. */

export type ReferenceDocuments = { readonly flags: FlagsDocument; readonly events: LiveEventsDocument }

type Asked = { readonly document: FlagsDocument; readonly subject: ReferenceSubject }

/** Undefined for a flag that there is not. */
export const referenceEvaluate = (
  { flags: document, events }: ReferenceDocuments,
  key: string,
  subject: ReferenceSubject,
): Answer | undefined => {
  const flag = new Map(Object.entries(document.flags)).get(key)
  if (!flag) return undefined
  const asked = { document, subject }
  if (!flag.enabled) return answer(key, flag, flag.default, 'DISABLED')
  return (
    byExperiment(key, flag, asked) ??
    byLiveEvent(key, flag, { ...asked, events }) ??
    byRule(key, flag, asked) ??
    answer(key, flag, flag.default, canBeDecided(key, flag, document) ? 'DEFAULT' : 'STATIC')
  )
}

const answer = (
  key: string,
  flag: Flag,
  variant: string,
  reason: Extract<Answer, { reason: unknown }>['reason'],
  more = {},
): Answer => {
  const metadata = { ...flag.metadata, ...more }
  const base = { key, value: flag.variants[variant], variant, reason }
  return Object.keys(metadata).length === 0 ? base : { ...base, metadata }
}

const highestFirst = <Value extends { readonly priority: number }>(table: Readonly<Record<string, Value>>) =>
  Object.entries(table).sort(([a, { priority: ofA }], [b, { priority: ofB }]) => ofB - ofA || (a < b ? -1 : 1))

const decides = ({ state, winner }: Experiment) =>
  state === 'running' || (state === 'concluded' && winner !== undefined)

const canBeDecided = (key: string, flag: Flag, { experiments }: FlagsDocument): boolean =>
  flag.rules.length > 0 || Object.values(experiments).some((one) => one.flag === key && decides(one))

const byExperiment = (key: string, flag: Flag, asked: Asked): Answer | undefined => {
  for (const [name, experiment] of highestFirst(asked.document.experiments)) {
    if (experiment.flag !== key || !decides(experiment)) continue
    if (experiment.if && !referenceHolds(experiment.if, asked)) continue
    if (experiment.state === 'concluded' && experiment.winner !== undefined)
      return answer(key, flag, experiment.winner, 'TARGETING_MATCH')
    const unit = unitOf(experiment.unit, asked)
    const variant = unit === undefined ? undefined : drawn(name, experiment, unit)
    if (variant === undefined) continue
    return answer(key, flag, variant, 'SPLIT', { experiment: name, experimentRun: experiment.run })
  }
  return undefined
}

const drawn = (name: string, { exclusion, run, trafficBasisPoints, split }: Experiment, unit: string) => {
  if (exclusion) {
    const place = referenceBucket(`group/${exclusion.group}`, unit)
    if (place < exclusion.from || place >= exclusion.to) return undefined
  }
  if (referenceBucket(`experiment/${name}/${run}/traffic`, unit) >= trafficBasisPoints) return undefined
  return armOf(split, referenceBucket(`experiment/${name}/${run}/variant`, unit))
}

const armOf = (split: Split, bucket: number): string | undefined => {
  let sum = 0
  for (const { variant, basisPoints } of split) {
    sum += basisPoints
    if (bucket < sum) return variant
  }
  return undefined
}

const unitOf = (attribute: string, { document, subject }: Asked): string | undefined => {
  const value = referenceValue(attribute, subject, document)
  return typeof value === 'string' && value !== '' ? value : undefined
}

const byLiveEvent = (
  key: string,
  flag: Flag,
  { events, ...asked }: Asked & { readonly events: LiveEventsDocument },
): Answer | undefined => {
  const { now } = asked.subject
  for (const [name, event] of highestFirst(events.events)) {
    if (!event.enabled || !('start' in event.schedule)) continue
    const { start, end, run } = event.schedule
    if (now < Date.parse(start) || now >= Date.parse(end)) continue
    const value = new Map(Object.entries(event.flags)).get(key)
    if (value === undefined || !hasType(flag.type, value)) continue
    if (event.audience !== undefined && !referenceHolds({ audience: event.audience }, asked)) continue
    const metadata = { ...flag.metadata, liveEvent: name, liveEventRun: `${name}.${run}` }
    return { key, value, variant: name, reason: 'TARGETING_MATCH', metadata }
  }
  return undefined
}

const hasType = (type: FlagType, value: unknown): boolean => {
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value)
  if (type === 'integer') return Number.isInteger(value) && Math.abs(Number(value)) <= 2 ** 53 - 1
  return typeof value === type
}

const byRule = (key: string, flag: Flag, asked: Asked): Answer | undefined => {
  for (const rule of flag.rules) {
    if (rule.if && !referenceHolds(rule.if, asked)) continue
    if (rule.serve !== undefined) return answer(key, flag, rule.serve, 'TARGETING_MATCH')
    const unit = unitOf(flag.unit, asked)
    if (unit === undefined) {
      const errorCode = flag.unit === 'targetingKey' ? 'TARGETING_KEY_MISSING' : 'INVALID_CONTEXT'
      return {
        key,
        errorCode,
        errorDetails: `the flag is split by ${flag.unit}, which the context does not have as a text`,
      }
    }
    const variant = armOf(rule.split ?? [], referenceBucket(`flag/${key}`, unit))
    return answer(key, flag, variant ?? flag.default, 'SPLIT')
  }
  return undefined
}

export const referenceHolds = (condition: Condition, asked: Asked): boolean => {
  if ('all' in condition) return condition.all.every((part) => referenceHolds(part, asked))
  if ('any' in condition) return condition.any.some((part) => referenceHolds(part, asked))
  if ('not' in condition) return !referenceHolds(condition.not, asked)
  if ('attribute' in condition) return comparisonHolds(condition, asked)
  const audience = new Map(Object.entries(asked.document.audiences)).get(condition.audience)
  return audience !== undefined && referenceHolds(audience.if, asked)
}

const comparisonHolds = (comparison: Comparison, { document, subject }: Asked): boolean => {
  const { attribute, ...rest } = comparison
  const type = referenceType(attribute, document)
  const actual = referenceValue(attribute, subject, document)
  const [[operator = '', operand] = []] = Object.entries(rest)
  if (operator === 'exists') return (actual !== undefined) === operand
  if (actual === undefined) return false
  const expected = (value: unknown) => referenceRead(type, value)
  /** Below, at or above zero; only equality has a meaning for texts and truth values. */
  const order = (other: unknown): number => {
    if (type === 'version') return referenceCompare(actual as ReferenceVersion, other as ReferenceVersion)
    if (type === 'number' || type === 'time') return Number(actual) - Number(other)
    return actual === other ? 0 : Number.NaN
  }
  switch (operator) {
    case 'equals':
      return order(expected(operand)) === 0
    case 'oneOf':
      return (operand as unknown[]).some((value) => order(expected(value)) === 0)
    case 'startsWith':
      return (actual as string).slice(0, (operand as string).length) === operand
    case 'endsWith':
      return (operand as string) === '' || (actual as string).slice(-(operand as string).length) === operand
    case 'contains':
      return type === 'strings'
        ? (actual as string[]).some((element) => element === operand)
        : (actual as string).split(operand as string).length > 1 || operand === ''
    case 'lessThan':
      return order(expected(operand)) < 0
    case 'atMost':
      return order(expected(operand)) <= 0
    case 'moreThan':
      return order(expected(operand)) > 0
    default:
      return order(expected(operand)) >= 0
  }
}
