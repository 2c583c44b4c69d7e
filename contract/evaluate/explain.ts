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

/**
 * Asks candidates as an evaluation does, and tells of each how it went. The comparisons of an audience are told once, however
 * often it is asked for: audiences of audiences would be told without end.
 */
export const explain = (candidates: readonly Candidate[], facts: Facts, scope: Scope): Explained[] => {
  let decided = false
  const told = new Set<string>()
  return candidates.map(({ source, name, pointer, condition, decide }) => {
    if (decided) return { source, name, result: 'not-asked', compared: [] }
    const result = decide(facts)
    decided = typeof result !== 'string'
    const compared = condition ? compare(condition, { pointer, facts, scope, told }) : []
    return { source, name, result: typeof result === 'string' ? result : 'decides', compared }
  })
}

type Place = {
  readonly pointer: string
  readonly facts: Facts
  readonly scope: Scope
  /** The audiences whose comparisons were told. */
  readonly told: Set<string>
}

const compare = (condition: Condition, place: Place): Compared[] => {
  const inside = (part: Condition, name: string) => compare(part, { ...place, pointer: `${place.pointer}/${name}` })
  if ('all' in condition) return condition.all.flatMap((part, at) => inside(part, `all/${at}`))
  if ('any' in condition) return condition.any.flatMap((part, at) => inside(part, `any/${at}`))
  if ('not' in condition) return inside(condition.not, 'not')
  const { facts, scope, pointer, told } = place
  const holds = isFulfilled(condition, place)
  if ('audience' in condition) {
    const { audience } = condition
    const own = told.has(audience) ? undefined : scope.conditionOf(audience)
    told.add(audience)
    const parts = own ? compare(own, { ...place, pointer: `/audiences/${audience}/if` }) : []
    return [{ pointer, attribute: 'audience', operator: 'equals', operand: audience, holds }, ...parts]
  }
  const operator = operatorOf(condition)
  const slot = scope.attributes.slotOf(condition.attribute)
  if (operator === undefined || slot === undefined) return []
  const { attribute } = condition
  const actual = written(facts.values[slot], scope.attributes.typeOf(attribute))
  return [
    { pointer, attribute, operator, operand: condition[operator], ...(actual === undefined ? {} : { actual }), holds },
  ]
}

/** A value as it stands in facts, as people compare it with what the rule says. */
const written = (value: unknown, type: AttributeType | undefined): unknown => {
  if (value instanceof Set) return [...value]
  if (type === 'time' && typeof value === 'number') return new Date(value).toISOString()
  return type === 'version' && value !== undefined ? writeVersion(value as Version) : value
}

/** By a program of its own, of the one condition. */
const isFulfilled = (condition: Condition, { facts, scope }: Place): boolean => {
  const assembler = createAssembler(scope)
  const begin = assembler.add(condition, { ifTrue: ~holdsEnd, ifFalse: ~fails })
  return run(assembler.finish(), begin, facts) === holdsEnd
}
