import { type ContentFault, listedMax } from '#contract/content.ts'
import type { AttributeType } from './attribute.ts'
import { type Condition, type Operator, operators, operatorsOf, parseOperand } from './condition.ts'
import { isObject } from './value.ts'

/** Nesting is for people to read. */
const depthMax = 8
/** Parts of one `all` or `any`. */
const partsMax = 50
/** Values of one `oneOf`. */
const valuesMax = 1_000
/** Characters of one text that is compared. */
const textMax = 256

/** What a condition may speak of. */
export type Vocabulary = {
  readonly types: ReadonlyMap<string, AttributeType>
  readonly audiences: ReadonlySet<string>
}

/**
 * What is wrong with a condition, each with a pointer that begins with `at`. It ends with the part that brings the faults to
 * `listedMax`: a condition as large as a document has a million.
 */
export const faultsOfCondition = (condition: unknown, at: string, vocabulary: Vocabulary): ContentFault[] =>
  check(condition, { at, depth: 1, vocabulary })

type Place = { readonly at: string; readonly depth: number; readonly vocabulary: Vocabulary }

const check = (condition: unknown, place: Place): ContentFault[] => {
  const { at, depth } = place
  if (!isObject(condition)) return [{ pointer: at, detail: 'must be an object' }]
  if (depth > depthMax) return [{ pointer: at, detail: `nested deeper than ${depthMax} levels` }]
  const names = Object.keys(condition)
  const [name = ''] = names
  if (names.length === 1 && (name === 'all' || name === 'any')) return checkParts(condition[name], name, place)
  if (names.length === 1 && name === 'not') return check(condition.not, inside(place, 'not'))
  if (names.length === 1 && name === 'audience') return checkAudience(condition.audience, place)
  if (Object.hasOwn(condition, 'attribute')) return checkComparison(condition, place)
  return [{ pointer: at, detail: 'must have all, any, not or audience alone, or attribute and an operator' }]
}

const inside = (place: Place, name: string): Place => ({ ...place, at: `${place.at}/${name}`, depth: place.depth + 1 })

const checkParts = (parts: unknown, name: 'all' | 'any', place: Place): ContentFault[] => {
  const pointer = `${place.at}/${name}`
  if (!Array.isArray(parts) || parts.length < 1 || parts.length > partsMax)
    return [{ pointer, detail: `must be a list of 1 to ${partsMax} conditions` }]
  const faults: ContentFault[] = []
  for (const [index, part] of parts.entries()) {
    if (faults.length >= listedMax) break
    for (const fault of check(part, inside(place, `${name}/${index}`))) faults.push(fault)
  }
  return faults
}

const checkAudience = (audience: unknown, { at, vocabulary }: Place): ContentFault[] =>
  typeof audience === 'string' && vocabulary.audiences.has(audience)
    ? []
    : [{ pointer: `${at}/audience`, detail: 'there is no such audience' }]

const checkComparison = (comparison: Readonly<Record<string, unknown>>, place: Place): ContentFault[] => {
  const { at, vocabulary } = place
  const type = typeof comparison.attribute === 'string' ? vocabulary.types.get(comparison.attribute) : undefined
  if (type === undefined) return [{ pointer: `${at}/attribute`, detail: 'the attribute is not declared' }]
  const others = Object.keys(comparison).filter((name) => name !== 'attribute')
  const [operator] = others
  const allowed = operatorsOf[type]
  if (others.length !== 1 || !isOperator(operator))
    return [{ pointer: at, detail: `must have one operator beside attribute: ${allowed.join(', ')}` }]
  const pointer = `${at}/${operator}`
  if (!allowed.includes(operator))
    return [{ pointer, detail: `an attribute of type ${type} takes ${allowed.join(', ')}` }]
  return checkOperand(comparison[operator], { operator, type, pointer })
}

const isOperator = (name: string | undefined): name is Operator => operators.some((operator) => operator === name)

const checkOperand = (
  operand: unknown,
  { operator, type, pointer }: { readonly operator: Operator; readonly type: AttributeType; readonly pointer: string },
): ContentFault[] => {
  if (operator === 'exists') return typeof operand === 'boolean' ? [] : [{ pointer, detail: 'must be true or false' }]
  if (operator !== 'oneOf') return checkValue(operand, type, pointer)
  if (!Array.isArray(operand) || operand.length < 1 || operand.length > valuesMax)
    return [{ pointer, detail: `must be a list of 1 to ${valuesMax} values` }]
  return operand.flatMap((value, index) => checkValue(value, type, `${pointer}/${index}`))
}

const described: Readonly<Record<AttributeType, string>> = {
  string: 'a text',
  number: 'a number',
  boolean: 'true or false',
  time: 'a time such as 2026-11-27T18:00:00Z',
  version: 'a version such as 2.4.0',
  strings: 'a text',
}

const checkValue = (value: unknown, type: AttributeType, pointer: string): ContentFault[] => {
  if (parseOperand(type, value) === undefined) return [{ pointer, detail: `must be ${described[type]}` }]
  if (typeof value === 'string' && value.length > textMax)
    return [{ pointer, detail: `longer than ${textMax} characters` }]
  // Half of a pair begins, ends or stands in a text only where texts are UTF-16.
  if (typeof value === 'string' && !value.isWellFormed())
    return [{ pointer, detail: 'lone surrogates are not allowed' }]
  return []
}

/** The audiences that a condition that was checked speaks of. */
export const audiencesOf = (condition: Condition): string[] => {
  if ('all' in condition) return condition.all.flatMap(audiencesOf)
  if ('any' in condition) return condition.any.flatMap(audiencesOf)
  if ('not' in condition) return audiencesOf(condition.not)
  return 'audience' in condition ? [condition.audience] : []
}
