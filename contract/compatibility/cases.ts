import type { Schema } from './documents.ts'
import { kindsOf, valuesOf } from './values.ts'

/** A schema, where it stands, and what its references lead to. */
export type Place = {
  readonly schema: Schema | boolean
  readonly pointer: string
  readonly named: ReadonlyMap<string, Schema>
}

/** What a place says by itself: no reference, alternative or conjunction is left. */
type Plain = Omit<Place, 'schema'> & { readonly schema: Schema }

/** One way to be valid: everything in the list holds. An empty list allows every value. */
export type Case = readonly Plain[]

/**
 * Every way to satisfy all of the places, references followed. Alternatives of a `oneOf` must exclude each other, so that it
 * says what `anyOf` would.
 * @throws Error for a reference to nothing or to itself, and for a `oneOf` with two alternatives that one value could satisfy
 */
export const casesOf = (places: readonly Place[]): readonly Case[] =>
  product(places.map((place) => casesOfOne(place, new Set())))

/** `followed`: the references that led here, so that a schema which consists of itself is found, not followed. */
const casesOfOne = (place: Place, followed: ReadonlySet<string>): readonly Case[] => {
  const { schema, pointer } = place
  if (schema === true) return [[]]
  if (schema === false) return []
  const { $ref, allOf = [], anyOf, oneOf, ...own } = schema
  if ($ref !== undefined && followed.has($ref)) throw new Error(`${pointer} consists of itself: give ${$ref} a shape`)
  const inside = (part: Place) => casesOfOne(part, followed)
  const alternatives = (keyword: 'anyOf' | 'oneOf', schemas: readonly Schema[]) =>
    schemas.map((alternative, index) => inside(partOf(place, alternative, keyword, index)))
  return product([
    ...(Object.keys(own).length > 0 ? [ofEachType({ ...place, schema: own })] : []),
    ...($ref === undefined ? [] : [casesOfOne(follow(place, $ref), new Set([...followed, $ref]))]),
    ...allOf.map((part, index) => inside(partOf(place, part, 'allOf', index))),
    ...(anyOf ? [alternatives('anyOf', anyOf).flat()] : []),
    ...(oneOf ? [exclusive(alternatives('oneOf', oneOf), pointer)] : []),
  ])
}

const product = (lists: readonly (readonly Case[])[]): readonly Case[] =>
  lists.reduce<readonly Case[]>((all, list) => all.flatMap((head) => list.map((tail) => [...head, ...tail])), [[]])

const exclusive = (alternatives: readonly (readonly Case[])[], pointer: string): readonly Case[] => {
  const traits = alternatives.map((cases) => cases.map(traitsOf))
  const overlap = traits.some((ours, index) =>
    traits.slice(0, index).some((theirs) => ours.some((one) => theirs.some((other) => !areApart(one, other)))),
  )
  if (overlap)
    throw new Error(
      `${pointer} has a oneOf that the gate cannot judge: tell its alternatives apart by type or by a constant`,
    )
  return alternatives.flat()
}

/** What a case can be told by. */
const traitsOf = (one: Case) => {
  const fixed = [...memberNamesOf(one)].map((name) => [name, fixedOf(one, name)] as const)
  return { values: valuesOf(one), kinds: kindsOf(one), fixed: new Map(fixed), required: requiredOf(one) }
}

/** Whether it is plain that no value satisfies both. */
const areApart = (one: ReturnType<typeof traitsOf>, other: ReturnType<typeof traitsOf>): boolean => {
  if (one.values && other.values) return one.values.every((value) => !other.values?.includes(value))
  if (one.kinds.every((kind) => !other.kinds.includes(kind))) return true
  return [...one.fixed].some(([name, value]) => {
    const otherValue = other.fixed.get(name)
    const present = one.required.has(name) || other.required.has(name)
    return present && value !== undefined && otherValue !== undefined && value !== otherValue
  })
}

/** A list of types is a case for each of them. */
const ofEachType = ({ schema, ...place }: Plain): readonly Case[] => {
  const { type, ...rest } = schema
  return Array.isArray(type)
    ? type.map((each) => [{ ...place, schema: { ...rest, type: each } }])
    : [[{ ...place, schema }]]
}

const follow = (place: Place, reference: string): Place => {
  const schema = place.named.get(reference)
  if (schema === undefined) throw new Error(`${place.pointer} refers to ${reference}, which the document lacks`)
  return { ...place, schema, pointer: reference }
}

/** What references lead to in a document that keeps its named schemas at `pointer`. */
export const referencesTo = (pointer: string, schemas: Readonly<Record<string, Schema>>): Place['named'] =>
  new Map(Object.entries(schemas).map(([name, schema]) => [pointerTo(pointer, name), schema]))

export const partOf = (place: Place, schema: Schema | boolean, ...path: readonly (string | number)[]): Place => ({
  ...place,
  schema,
  pointer: pointerTo(place.pointer, ...path),
})

/** A JSON Pointer (RFC 6901) below another. */
export const pointerTo = (pointer: string, ...path: readonly (string | number)[]): string =>
  [pointer, ...path.map((name) => String(name).replaceAll('~', '~0').replaceAll('/', '~1'))].join('/')

/** The members that a case names. */
export const memberNamesOf = (one: Case): ReadonlySet<string> =>
  new Set(one.flatMap(({ schema }) => Object.keys(schema.properties ?? {})))

/** What a case asks of a member, named or not. Empty where it asks nothing. */
export const memberOf = (one: Case, name: string): readonly Place[] =>
  one.flatMap((plain) => {
    const { properties = {}, additionalProperties } = plain.schema
    const named = Object.hasOwn(properties, name) ? properties[name] : undefined
    if (named) return [partOf(plain, named, 'properties', name)]
    return additionalProperties === undefined ? [] : [partOf(plain, additionalProperties, 'additionalProperties')]
  })

/** What a case asks below a keyword that holds one schema. Empty where it asks nothing. */
export const below = (one: Case, keyword: 'items' | 'additionalProperties' | 'propertyNames'): readonly Place[] =>
  one.flatMap((plain) => {
    const schema = plain.schema[keyword]
    return schema === undefined ? [] : [partOf(plain, schema, keyword)]
  })

export const requiredOf = (one: Case): ReadonlySet<string> =>
  new Set(one.flatMap(({ schema }) => schema.required ?? []))

/** The one value that a member can have, as JSON text, such as a problem's code; undefined where it can have others. */
export const fixedOf = (one: Case, name: string): string | undefined => {
  const [only, ...others] = casesOf(memberOf(one, name))
  const [value, ...more] = (only && valuesOf(only)) ?? []
  return others.length + more.length === 0 ? value : undefined
}
