import fc from 'fast-check'
import type { Schema } from '#contract/compatibility/documents.ts'

/** JSON Schema as its specification reads, keyword by keyword: what the gate's verdicts are held against. No `format`, no `$ref`. */
export const isValid = (schema: Schema | boolean, value: unknown): boolean => {
  if (typeof schema === 'boolean') return schema
  const { allOf = [], anyOf, oneOf } = schema
  return (
    hasType(schema.type, value) &&
    (schema.const === undefined || same(schema.const, value)) &&
    (schema.enum === undefined || schema.enum.some((one) => same(one, value))) &&
    isScalarValid(schema, value) &&
    (!Array.isArray(value) || isListValid(schema, value)) &&
    (!isObject(value) || isObjectValid(schema, value)) &&
    allOf.every((part) => isValid(part, value)) &&
    (anyOf === undefined || anyOf.some((part) => isValid(part, value))) &&
    (oneOf === undefined || oneOf.filter((part) => isValid(part, value)).length === 1)
  )
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const hasType = (type: Schema['type'], value: unknown): boolean => {
  if (Array.isArray(type)) return type.some((one) => hasType(one, value))
  switch (type) {
    case undefined:
      return true
    case 'null':
      return value === null
    case 'array':
      return Array.isArray(value)
    case 'object':
      return isObject(value)
    case 'integer':
      return Number.isInteger(value)
    default:
      return typeof value === type
  }
}

const isScalarValid = (schema: Schema, value: unknown): boolean => {
  if (typeof value === 'string')
    return (
      value.length >= (schema.minLength ?? 0) &&
      value.length <= (schema.maxLength ?? Number.POSITIVE_INFINITY) &&
      (schema.pattern === undefined || new RegExp(schema.pattern, 'u').test(value))
    )
  if (typeof value !== 'number') return true
  return (
    (schema.minimum === undefined || value >= schema.minimum) &&
    (schema.maximum === undefined || value <= schema.maximum) &&
    (schema.exclusiveMinimum === undefined || value > schema.exclusiveMinimum) &&
    (schema.exclusiveMaximum === undefined || value < schema.exclusiveMaximum)
  )
}

const isListValid = ({ minItems = 0, maxItems, items = {} }: Schema, value: readonly unknown[]): boolean =>
  value.length >= minItems &&
  value.length <= (maxItems ?? Number.POSITIVE_INFINITY) &&
  value.every((item) => isValid(items, item))

const isObjectValid = (schema: Schema, value: Readonly<Record<string, unknown>>): boolean => {
  const { properties = {}, required = [], additionalProperties = true, propertyNames = true } = schema
  return (
    required.every((name) => Object.hasOwn(value, name)) &&
    Object.entries(value).every(
      ([name, member]) => isValid(propertyNames, name) && isValid(properties[name] ?? additionalProperties, member),
    )
  )
}

const small = fc.integer({ min: 0, max: 2 })
const scalars = [null, true, 0, 1, 2, 0.5, 1.5, '', 'a', 'b', 'ab', 'ba', 'abc']
const lists = [[], [0], ['a'], [null], [0, 1], ['a', 'b', 'ab']]

/** Values enough to tell any two of the schemas below apart, or nearly. */
export const values: readonly unknown[] = [
  ...scalars,
  ...lists,
  {},
  ...[...scalars, ...lists].flatMap((value) => [{ a: value }, { b: value }, { a: value, b: 1 }, { c: value }]),
  ...scalars.flatMap((value) => [[value], { a: { a: value } }, { a: [value] }, [{ a: value }]]),
]

/** An arbitrary part of an object: each member there or not. */
const some = <Shape extends Record<string, fc.Arbitrary<unknown>>>(shape: Shape) =>
  fc.record(shape, { requiredKeys: [] })

const text = some({ minLength: small, maxLength: small, pattern: fc.constantFrom('^a', 'b$') }).map((bounds) => ({
  type: 'string' as const,
  ...bounds,
}))
const number = fc
  .tuple(
    fc.constantFrom('integer' as const, 'number' as const),
    some({ minimum: small, maximum: small, exclusiveMinimum: small, exclusiveMaximum: small }),
  )
  .map(([type, bounds]) => ({ type, ...bounds }))
const listed = fc.oneof(
  fc.constantFrom('a', 'ab', 1, null).map((value) => ({ const: value })),
  fc.subarray(['a', 'b', 'abc', 0, 1.5, null], { minLength: 1 }).map((list) => ({ enum: list })),
)
const plain = fc.oneof(
  fc.constant({}),
  fc.constantFrom('null', 'boolean').map((type) => ({ type })),
  fc.subarray(['string', 'null', 'integer'], { minLength: 1 }).map((type) => ({ type })),
)

/**
 * Schemas of the keywords that the gate judges. Objects say what they hold beside what they name, since an open object of a
 * request is judged by convention (what nobody named was passed over), not by its values.
 */
export const schemas: fc.Arbitrary<Schema> = fc.letrec<{ schema: Schema }>((tie) => {
  const list = some({ items: tie('schema'), minItems: small, maxItems: small }).map((rest) => ({
    type: 'array',
    ...rest,
  }))
  const object = fc
    .record({
      properties: some({ a: tie('schema'), b: tie('schema') }),
      required: fc.subarray(['a', 'b']),
      additionalProperties: fc.oneof(fc.boolean(), tie('schema')),
    })
    .map(({ properties, required, additionalProperties }) => ({
      type: 'object',
      properties,
      required: required.filter((name) => name in properties),
      additionalProperties,
    }))
  const pair = fc.array(tie('schema'), { minLength: 1, maxLength: 2 })
  const combined = fc.oneof(
    pair.map((allOf) => ({ allOf })),
    pair.map((anyOf) => ({ anyOf })),
  )
  // fast-check knows the shapes one by one; each is a schema.
  const schema = fc.oneof(
    { depthSize: 'small' },
    text,
    number,
    listed,
    plain,
    list,
    object,
    combined,
  ) as fc.Arbitrary<Schema>
  return { schema }
}).schema
