import type { Attributes, AttributeType, Facts } from './attribute.ts'
import { parseTime } from './attribute.ts'
import type { Program } from './program.ts'
import { parseVersion } from './version.ts'

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
  /** A test of a condition of the document, made while the document is made ready. */
  test(condition: Condition): Test
  /** What all conditions of the document became. @throws Error before it is whole */
  program(): Program
  /** What an audience is; undefined for one that there is not. */
  conditionOf(name: string): Condition | undefined
}

/** The operator of a comparison that was checked. */
export const operatorOf = (comparison: Comparison): Operator | undefined =>
  operators.find((name) => Object.hasOwn(comparison, name))

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
