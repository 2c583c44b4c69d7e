import fc from 'fast-check'
import * as z from 'zod'

type JsonSchema = {
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, JsonSchema>>
  readonly type?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | JsonSchema
  readonly items?: JsonSchema
  readonly minItems?: number
  readonly maxItems?: number
  readonly pattern?: string
  readonly format?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
}

/**
 * Values that a schema of the table takes, as far as JSON Schema can say it: what a refinement asks for beyond that is met
 * only now and then, so these are valid calls and nearly valid ones.
 */
export const valuesOf = (schema: z.ZodType): fc.Arbitrary<unknown> => {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema
  return arbitraryOf(json, json.$defs ?? {})
}

const arbitraryOf = (schema: JsonSchema, defs: Readonly<Record<string, JsonSchema>>): fc.Arbitrary<unknown> => {
  const inner = (part: JsonSchema) => arbitraryOf(part, defs)
  const { $ref, anyOf = schema.oneOf } = schema
  if ($ref) return inner(defs[$ref.replace('#/$defs/', '')] ?? {})
  if (anyOf) return fc.oneof(...anyOf.map(inner))
  if ('const' in schema) return fc.constant(schema.const)
  if (schema.enum) return fc.constantFrom(...schema.enum)
  switch (schema.type) {
    case 'object':
      return objects(schema, inner)
    case 'array':
      return fc.array(inner(schema.items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 5, 20),
      })
    case 'string':
      return strings(schema)
    case 'integer':
    case 'number':
      return numbers(schema)
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    default:
      return fc.jsonValue()
  }
}

const objects = (schema: JsonSchema, inner: (part: JsonSchema) => fc.Arbitrary<unknown>): fc.Arbitrary<unknown> => {
  const { properties = {}, required = [], additionalProperties } = schema
  const members: Record<string, fc.Arbitrary<unknown>> = {}
  for (const [name, part] of Object.entries(properties)) members[name] = inner(part)
  const record = fc.record(members, { requiredKeys: [...required] })
  if (additionalProperties !== true) return record
  return fc
    .tuple(record, fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 4 }))
    .map(([own, more]) => ({ ...more, ...own }))
}

const strings = ({ pattern, format, minLength = 0, maxLength = 40 }: JsonSchema): fc.Arbitrary<string> => {
  if (pattern) return fc.stringMatching(new RegExp(pattern), { size: 'small' })
  if (format === 'uri') return fc.webUrl({ validSchemes: ['https'], withFragments: true, withQueryParameters: true })
  const bounds = { minLength, maxLength: Math.min(maxLength, 60) }
  return fc.oneof(
    { weight: 3, arbitrary: fc.string(bounds) },
    { weight: 1, arbitrary: fc.string({ ...bounds, unit: 'binary' }) },
    { weight: 1, arbitrary: fc.uuid() },
    { weight: 1, arbitrary: fc.constantFrom('Europe/Berlin', 'UTC', 'en') },
  )
}

const numbers = ({ minimum = -(2 ** 53 - 1), maximum = 2 ** 53 - 1 }: JsonSchema): fc.Arbitrary<number> =>
  fc.oneof(
    fc.integer({ min: Math.max(minimum, -100), max: Math.min(maximum, 100) }),
    fc.maxSafeInteger().filter((value) => value >= minimum && value <= maximum),
  )

/** What stands nowhere in a valid body, or only by chance. */
const strange: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(
    null,
    true,
    0,
    -1,
    0.5,
    1e308,
    2 ** 53,
    '',
    '\0',
    '\ud800',
    '\u202e',
    '__proto__',
    [],
    {},
    [[]],
    [null],
  ),
  fc.constantFrom(1_000, 9_000, 40_000).map((length) => 'x'.repeat(length)),
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.jsonValue(),
)

/** A value with one thing changed somewhere in it: a member dropped, added, or something strange in its place or at its end. */
export const spoilt = (values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc
    .tuple(
      values,
      fc.array(fc.nat(20), { maxLength: 4 }),
      fc.constantFrom('drop', 'add', 'replace', 'append'),
      strange,
      fc.string(),
    )
    .map(([value, way, kind, by, name]) => spoil(value, way, { kind, by, name }))

type Change = { readonly kind: 'drop' | 'add' | 'replace' | 'append'; readonly by: unknown; readonly name: string }

const spoil = (value: unknown, way: readonly number[], change: Change): unknown => {
  if (typeof value === 'string' && change.kind === 'append') return `${value}${JSON.stringify(change.by)}`
  if (typeof value !== 'object' || value === null) return change.by
  const isList = Array.isArray(value)
  const entries: [string, unknown][] = Object.entries(value)
  const rebuild = (all: readonly [string, unknown][]) =>
    isList ? all.map(([, member]) => member) : Object.fromEntries(all)
  const [step = 0, ...rest] = way
  const at = entries.length === 0 ? 0 : step % entries.length
  const here = entries[at]
  if (change.kind === 'add') return rebuild([...entries, [change.name, change.by]])
  if (!here) return change.by
  if (rest.length > 0 || change.kind === 'append')
    return rebuild(entries.with(at, [here[0], spoil(here[1], rest, change)]))
  return rebuild(change.kind === 'drop' ? entries.toSpliced(at, 1) : entries.with(at, [here[0], change.by]))
}
