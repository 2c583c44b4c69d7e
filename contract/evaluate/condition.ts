import type { Attributes, AttributeType, Facts } from './attribute.ts'
import { parseTime } from './attribute.ts'
import { compareVersions, parseVersion, type Version } from './version.ts'

/** One attribute compared with what stands in the rule, by exactly one operator. */
export type Comparison = { readonly attribute: string } & { readonly [Name in Operator]?: unknown }

export type Condition =
  | { readonly all: readonly Condition[] }
  | { readonly any: readonly Condition[] }
  | { readonly not: Condition }
  | { readonly audience: string }
  | Comparison

export const operators = [
  'equals',
  'oneOf',
  'startsWith',
  'endsWith',
  'contains',
  'lessThan',
  'atMost',
  'moreThan',
  'atLeast',
  'exists',
] as const
export type Operator = (typeof operators)[number]

const ordering: readonly Operator[] = ['lessThan', 'atMost', 'moreThan', 'atLeast']

/** What can be asked of an attribute, by its type. There are no regular expressions: the time they take has no bound. */
export const operatorsOf: Readonly<Record<AttributeType, readonly Operator[]>> = {
  string: ['equals', 'oneOf', 'startsWith', 'endsWith', 'contains', 'exists'],
  number: ['equals', 'oneOf', ...ordering, 'exists'],
  boolean: ['equals', 'exists'],
  time: [...ordering, 'exists'],
  version: ['equals', 'oneOf', ...ordering, 'exists'],
  strings: ['contains', 'exists'],
}

export type Test = (facts: Facts) => boolean

/** What conditions may speak of. */
export type Scope = {
  readonly attributes: Attributes
  /** A test that is made once for each subject; undefined for an audience that there is not. */
  audience(name: string): Test | undefined
  /** What an audience is; undefined for one that there is not. */
  conditionOf(name: string): Condition | undefined
}

const never: Test = () => false

/**
 * Turns a condition that was checked into a function that never throws. An attribute that is missing, or of another type than
 * declared, fulfils nothing but `exists: false`.
 */
export const compileCondition = (condition: Condition, scope: Scope): Test => {
  if ('all' in condition) return allOf(condition.all.map((part) => compileCondition(part, scope)))
  if ('any' in condition) return anyOf(condition.any.map((part) => compileCondition(part, scope)))
  if ('not' in condition) {
    const test = compileCondition(condition.not, scope)
    return (facts) => !test(facts)
  }
  if ('audience' in condition) return scope.audience(condition.audience) ?? never
  return compileComparison(condition, scope.attributes)
}

const allOf = (tests: readonly Test[]): Test => {
  const [only, ...more] = tests
  if (only && more.length === 0) return only
  return (facts) => {
    for (const test of tests) if (!test(facts)) return false
    return true
  }
}

const anyOf =
  (tests: readonly Test[]): Test =>
  (facts) => {
    for (const test of tests) if (test(facts)) return true
    return false
  }

/** The operator of a comparison that was checked. */
export const operatorOf = (comparison: Comparison): Operator | undefined =>
  operators.find((name) => Object.hasOwn(comparison, name))

const compileComparison = (comparison: Comparison, attributes: Attributes): Test => {
  const slot = attributes.slotOf(comparison.attribute)
  const type = attributes.typeOf(comparison.attribute)
  const operator = operatorOf(comparison)
  if (slot === undefined || type === undefined || operator === undefined) return never
  const holds = comparerOf(operator, type, comparison[operator])
  const { read } = attributes
  if (operator === 'exists') return (facts) => (read(facts, slot) !== undefined) === comparison.exists
  return (facts) => {
    const value = read(facts, slot)
    return value !== undefined && holds(value)
  }
}

/** The value that stands in a rule, as attributes of the type are read; undefined for one of another type. */
export const parseOperand = (type: AttributeType, operand: unknown): unknown => {
  switch (type) {
    case 'number':
      return typeof operand === 'number' && Number.isFinite(operand) ? operand : undefined
    case 'boolean':
      return typeof operand === 'boolean' ? operand : undefined
    case 'time':
      return typeof operand === 'string' ? parseTime(operand) : undefined
    case 'version':
      return typeof operand === 'string' ? parseVersion(operand) : undefined
    default:
      return typeof operand === 'string' ? operand : undefined
  }
}

/** Whether a value of the attribute's type stands to the operand as the operator says. */
const comparerOf = (operator: Operator, type: AttributeType, operand: unknown): ((value: unknown) => boolean) => {
  if (type === 'version') return versionComparerOf(operator, operand)
  const expected = parseOperand(type, operand)
  switch (operator) {
    case 'equals':
      return (value) => value === expected
    case 'oneOf': {
      const set = new Set<unknown>(listOf(operand))
      return (value) => set.has(value)
    }
    case 'startsWith':
      return (value) => (value as string).startsWith(expected as string)
    case 'endsWith':
      return (value) => (value as string).endsWith(expected as string)
    case 'contains':
      return (value) => (value as string | readonly string[]).includes(expected as string)
    case 'lessThan':
      return (value) => (value as number) < (expected as number)
    case 'atMost':
      return (value) => (value as number) <= (expected as number)
    case 'moreThan':
      return (value) => (value as number) > (expected as number)
    case 'atLeast':
      return (value) => (value as number) >= (expected as number)
    case 'exists':
      return () => false
  }
}

const versionComparerOf = (operator: Operator, operand: unknown): ((value: unknown) => boolean) => {
  const expected = listOf(operator === 'oneOf' ? operand : [operand])
    .map((text) => parseOperand('version', text))
    .filter((version): version is Version => version !== undefined)
  const by = (holds: (difference: number) => boolean) => (value: unknown) =>
    expected.some((version) => holds(compareVersions(value as Version, version)))
  switch (operator) {
    case 'lessThan':
      return by((difference) => difference < 0)
    case 'atMost':
      return by((difference) => difference <= 0)
    case 'moreThan':
      return by((difference) => difference > 0)
    case 'atLeast':
      return by((difference) => difference >= 0)
    default:
      return by((difference) => difference === 0)
  }
}

const listOf = (operand: unknown): readonly unknown[] => (Array.isArray(operand) ? operand : [])
