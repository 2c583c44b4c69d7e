import * as z from 'zod'
import type { AttributeType, Facts } from './attribute.ts'
import { type Condition, operatorOf, operators, type Scope } from './condition.ts'
import type { Candidate } from './evaluation.ts'
import { createAssembler, fails, holds as holdsEnd, run } from './program.ts'
import { type Version, writeVersion } from './version.ts'

/** One comparison of a condition, and how it went. */
const comparedSchema = z.object({
  /** Where it stands in the document. */
  pointer: z.string(),
  attribute: z.string(),
  operator: z.enum(operators),
  operand: z.unknown(),
  /** What the subject has, as rules are written: times in UTC, versions whole; absent where it has none of the declared type. */
  actual: z.unknown().optional(),
  holds: z.boolean(),
})
type Compared = z.infer<typeof comparedSchema>

/** One thing that may decide a flag, in the order in which they are asked. */
export const explainedSchema = z
  .object({
    source: z.enum(['experiment', 'live-event', 'rule']),
    name: z.string(),
    /**
     * It `decides`, or why it does not: not for this subject (`condition`), which has no `unit` to be drawn by, is another
     * experiment's of the group (`exclusion`) or not in its `traffic`. After the one that decides nothing is asked.
     */
    result: z.enum(['decides', 'condition', 'unit', 'exclusion', 'traffic', 'not-asked']),
    /** The comparisons of its condition; where an audience is first asked for, its own stand behind it. */
    compared: z.array(comparedSchema),
  })
  .meta({ id: 'ExplainedStep' })
export type Explained = z.infer<typeof explainedSchema>

/** What has been told in one answer, and how much of it there may be. */
export type Telling = {
  /** The audiences whose own comparisons were told. */
  readonly audiences: Set<string>
  /** Comparisons that may still be told. */
  left: number
}

/** Comparisons in one answer: fifty for each of a hundred flags. */
export const comparedMax = 5_000
/** Texts of a list that are told with each comparison: a list has up to a thousand, and may be asked for by every rule. */
const elementsMax = 20
/** No rule asks for a longer one. */
const elementLengthMax = 256

export const createTelling = (): Telling => ({ audiences: new Set(), left: comparedMax })

/**
 * Asks candidates as an evaluation does, and tells of each how it went. The comparisons of an audience are told once in an
 * answer, however often it is asked for: audiences of audiences would be told without end, and long lists for every flag. Once
 * `comparedMax` are told, the results stand alone.
 */
export const explain = (
  candidates: readonly Candidate[],
  { facts, scope, telling }: { readonly facts: Facts; readonly scope: Scope; readonly telling: Telling },
): Explained[] => {
  let decided = false
  return candidates.map(({ source, name, pointer, condition, decide }) => {
    if (decided) return { source, name, result: 'not-asked', compared: [] }
    const result = decide(facts)
    decided = typeof result !== 'string'
    const compared = condition ? compare({ condition, pointer }, { facts, scope, telling }) : []
    return { source, name, result: typeof result === 'string' ? result : 'decides', compared }
  })
}

type Asked = { readonly condition: Condition; readonly pointer: string }
type Place = { readonly facts: Facts; readonly scope: Scope; readonly telling: Telling }

/** In the order in which they are written. By a list, not by recursion: hundreds of audiences may stand on one another. */
const compare = (first: Asked, place: Place): Compared[] => {
  const { scope, telling } = place
  const compared: Compared[] = []
  const waiting = [first]
  for (let next = waiting.pop(); next && telling.left > 0; next = waiting.pop()) {
    const { condition, pointer } = next
    const parts = partsOf(next)
    if (!parts) {
      const told = comparison(condition, pointer, place)
      if (told) {
        compared.push(told)
        telling.left--
      }
    }
    if ('audience' in condition && !telling.audiences.has(condition.audience)) {
      telling.audiences.add(condition.audience)
      const own = scope.conditionOf(condition.audience)
      if (own) waiting.push({ condition: own, pointer: `/audiences/${condition.audience}/if` })
    }
    for (const part of parts?.toReversed() ?? []) waiting.push(part)
  }
  return compared
}

/** Undefined for what has no parts. */
const partsOf = ({ condition, pointer }: Asked): Asked[] | undefined => {
  const listed = (name: string, parts: readonly Condition[]) =>
    parts.map((part, at) => ({ condition: part, pointer: `${pointer}/${name}/${at}` }))
  if ('all' in condition) return listed('all', condition.all)
  if ('any' in condition) return listed('any', condition.any)
  if ('not' in condition) return [{ condition: condition.not, pointer: `${pointer}/not` }]
  return undefined
}

/** How an audience or a comparison went; undefined for an attribute that there is not. */
const comparison = (condition: Condition, pointer: string, place: Place): Compared | undefined => {
  const holds = isFulfilled(condition, place)
  if ('audience' in condition)
    return { pointer, attribute: 'audience', operator: 'equals', operand: condition.audience, holds }
  if (!('attribute' in condition)) return undefined
  const { attribute } = condition
  const operator = operatorOf(condition)
  const slot = place.scope.attributes.slotOf(attribute)
  if (operator === undefined || slot === undefined) return undefined
  const actual = shown(place.facts.values[slot], place.scope.attributes.typeOf(attribute))
  return {
    pointer,
    attribute,
    operator,
    operand: condition[operator],
    ...(actual === undefined ? {} : { actual }),
    holds,
  }
}

/** A value as it stands in facts, as people compare it with what the rule says, and no longer than that takes. */
const shown = (value: unknown, type: AttributeType | undefined): unknown => {
  if (value instanceof Set)
    return [...value].filter((text) => String(text).length <= elementLengthMax).slice(0, elementsMax)
  if (type === 'time' && typeof value === 'number') return new Date(value).toISOString()
  return type === 'version' && value !== undefined ? writeVersion(value as Version) : value
}

/** By a program of its own, of the one condition. */
const isFulfilled = (condition: Condition, { facts, scope }: Place): boolean => {
  const assembler = createAssembler(scope)
  const begin = assembler.add(condition, { ifTrue: ~holdsEnd, ifFalse: ~fails })
  return run(assembler.finish(), begin, facts) === holdsEnd
}
