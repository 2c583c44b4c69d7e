import type { Case } from './cases.ts'
import type { Schema } from './documents.ts'
import { type Kind, kindsOf, valuesOf } from './values.ts'

type Bound = keyof Schema & `${'min' | 'max' | 'exclusive'}${string}`

/** What is measured of values of some kinds, and the keywords that bound it. */
type Axis = {
  readonly name: string
  readonly kinds: readonly Kind[]
  readonly measure: (value: unknown) => number | undefined
  readonly least: { readonly closed: Bound; readonly open?: Bound }
  readonly greatest: { readonly closed: Bound; readonly open?: Bound }
}

export const axes: readonly Axis[] = [
  {
    name: 'length',
    kinds: ['string'],
    // JSON Schema counts characters of Unicode, JavaScript halves of some.
    measure: (value) => (typeof value === 'string' ? [...value].length : undefined),
    least: { closed: 'minLength' },
    greatest: { closed: 'maxLength' },
  },
  {
    name: 'value',
    kinds: ['integer', 'fraction'],
    measure: (value) => (typeof value === 'number' ? value : undefined),
    least: { closed: 'minimum', open: 'exclusiveMinimum' },
    greatest: { closed: 'maximum', open: 'exclusiveMaximum' },
  },
  {
    name: 'number of items',
    kinds: ['array'],
    measure: (value) => (Array.isArray(value) ? value.length : undefined),
    least: { closed: 'minItems' },
    greatest: { closed: 'maxItems' },
  },
]

/** The end of a range; `open`: it does not belong to the range itself. */
type Edge = { readonly at: number; readonly open: boolean }
export type End = 'least' | 'greatest'

/** How far the bounds of a case let values go. */
export const boundOf = (one: Case, axis: Axis, end: End): Edge => {
  const { closed, open } = axis[end]
  const tightest = tightestOf(end, [
    ...one.flatMap(({ schema }) => schema[closed] ?? []).map((at) => ({ at, open: false })),
    ...one.flatMap(({ schema }) => (open && schema[open]) ?? []).map((at) => ({ at, open: true })),
    ...(end === 'least' && axis.name !== 'value' ? [{ at: 0, open: false }] : []),
  ])
  if (!tightest.open || kindsOf(one).includes('fraction')) return tightest
  // For whole numbers, above 0 is from 1.
  return { at: end === 'least' ? Math.floor(tightest.at) + 1 : Math.ceil(tightest.at) - 1, open: false }
}

/** How far the values of a case go: by its bounds, and by the values that it lists. */
export const edgeOf = (one: Case, axis: Axis, end: End): Edge => {
  const listed = (valuesOf(one) ?? []).flatMap((text) => axis.measure(JSON.parse(text)) ?? [])
  const outermost = end === 'least' ? Math.min(...listed) : Math.max(...listed)
  return tightestOf(end, [boundOf(one, axis, end), ...(listed.length > 0 ? [{ at: outermost, open: false }] : [])])
}

const tightestOf = (end: End, edges: readonly Edge[]): Edge =>
  edges.reduce((a, b) => (isWithin(b, a, end) ? b : a), {
    at: end === 'least' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY,
    open: false,
  })

/** Whether a range that ends at `a` ends no further out than one that ends at `b`. */
export const isWithin = (a: Edge, b: Edge, end: End): boolean => {
  const further = end === 'least' ? a.at > b.at : a.at < b.at
  return further || (a.at === b.at && (a.open || !b.open))
}

export const describeEdge = ({ at, open }: Edge, end: End): string => {
  if (!Number.isFinite(at)) return 'none'
  return open ? `${end === 'least' ? 'above' : 'under'} ${at}` : String(at)
}
