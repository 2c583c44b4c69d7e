import type { Case } from './cases.ts'

/** The kinds of JSON values that a schema can tell apart. */
export type Kind = 'null' | 'boolean' | 'object' | 'array' | 'integer' | 'fraction' | 'string'

const allKinds: readonly Kind[] = ['null', 'boolean', 'object', 'array', 'integer', 'fraction', 'string']

/** The kinds of the values that a case allows; none where it contradicts itself. */
export const kindsOf = (one: Case): readonly Kind[] => {
  const listed = valuesOf(one)
  const ofValues = listed && new Set(listed.map((text) => kindOf(JSON.parse(text))))
  return allKinds.filter(
    (kind) =>
      (ofValues?.has(kind) ?? true) &&
      one.every(({ schema: { type } }) => type === undefined || type === kind || (type === 'number' && isNumber(kind))),
  )
}

const isNumber = (kind: Kind) => kind === 'integer' || kind === 'fraction'

const kindOf = (value: unknown): Kind => {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'fraction'
  return typeof value as 'boolean' | 'object' | 'string'
}

/** The values that a case lists, each as JSON text; undefined where it lists none. */
export const valuesOf = (one: Case): readonly string[] | undefined => {
  const lists = one.flatMap(({ schema }) => [
    ...(schema.const === undefined ? [] : [[JSON.stringify(schema.const)]]),
    ...(schema.enum === undefined ? [] : [schema.enum.map((value) => JSON.stringify(value))]),
  ])
  const [first, ...others] = lists
  return first?.filter((value) => others.every((other) => other.includes(value)))
}
