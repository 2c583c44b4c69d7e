import type { Pair } from './breaks.ts'
import { type Place, pointerTo } from './cases.ts'
import type { ApiDocument, Schema } from './documents.ts'

/** A part of an OpenAPI document, where it stands, and what it may refer to. */
export type Part<Value> = {
  readonly value: Value
  readonly pointer: string
  readonly components: ApiDocument['components']
  readonly named: ReadonlyMap<string, Schema>
}

/** A part of a part, below it at `path`. */
export const inside = <Value>(
  part: Part<unknown>,
  value: Value,
  ...path: readonly (string | number)[]
): Part<Value> => ({
  ...part,
  value,
  pointer: pointerTo(part.pointer, ...path),
})

/** The members of an object, each as a part of it. */
export const membersOf = <Value>(part: Part<Readonly<Record<string, Value>>>): ReadonlyMap<string, Part<Value>> =>
  new Map(Object.entries(part.value).map(([name, value]) => [name, inside(part, value, name)]))

type Reference = { readonly $ref: string }

/** A part that may be shared: written at `pointer`, used at `usedAt`. */
export type Followed<Value> = Part<Value> & { readonly usedAt: string }

/** A header or parameter itself, be it written here or shared and referred to. @throws Error for a reference to nothing */
export const follow = <Value extends object>(
  part: Part<Value | Reference>,
  kind: 'headers' | 'parameters',
  shared: Readonly<Record<string, Value>>,
): Followed<Value> => {
  const { value, pointer } = part
  if (!isReference(value)) return { ...part, value, usedAt: pointer }
  const found = shared[value.$ref.replace(`#/components/${kind}/`, '')]
  if (!found) throw new Error(`${pointer} refers to ${value.$ref}, which the document lacks`)
  return { ...part, value: found, pointer: value.$ref, usedAt: pointer }
}

const isReference = (value: object): value is Reference => '$ref' in value

export const schemaOf = ({ value, pointer, named }: Part<{ readonly schema: Schema }>): Place => ({
  schema: value.schema,
  pointer: pointerTo(pointer, 'schema'),
  named,
})

/** What stands in both of two maps, in one only, by name. */
export const matchedOf = <Value>({ released, current }: Pair<ReadonlyMap<string, Value>>) => ({
  gone: [...released].filter(([name]) => !current.has(name)),
  added: [...current].filter(([name]) => !released.has(name)),
  kept: [...released].flatMap(([name, was]) => {
    const is = current.get(name)
    return is === undefined ? [] : [{ name, released: was, current: is }]
  }),
})
