import { type Inclusion, passes, type Travel, went } from './breaks.ts'
import type { Case } from './cases.ts'
import { axes, boundOf, describeEdge, edgeOf, isWithin } from './ranges.ts'
import { kindsOf, valuesOf } from './values.ts'

/** What one case allows beyond another, but for what stands in members and items: a sentence each. */
export const findScalarBreaks = ({ narrow, wide }: Inclusion<Case>, travel: Travel): string[] => {
  const kinds = { narrow: kindsOf(narrow), wide: kindsOf(wide) }
  const other = kinds.narrow.filter((kind) => !kinds.wide.includes(kind))
  const shared = kinds.narrow.filter((kind) => kinds.wide.includes(kind))
  const found = other.length > 0 ? [passes(travel, `a value of type ${other.join(' or ')}`)] : []
  if (shared.length === 0) return found
  return [
    ...found,
    ...inValues({ narrow, wide }, travel),
    ...axes
      .filter((axis) => axis.kinds.some((kind) => shared.includes(kind)))
      .flatMap((axis) => [
        ...inRange({ narrow, wide }, axis, 'least', travel),
        ...inRange({ narrow, wide }, axis, 'greatest', travel),
      ]),
    ...(shared.includes('string') ? inTexts({ narrow, wide }, travel) : []),
    ...(travel === 'request' ? inDefault({ narrow, wide }) : []),
  ]
}

const inValues = ({ narrow, wide }: Inclusion<Case>, travel: Travel): string[] => {
  const [listed, allowed] = [valuesOf(narrow), valuesOf(wide)]
  if (!allowed) return []
  if (!listed) return [passes(travel, `a value other than ${allowed.join(', ')}`)]
  const other = listed.filter((value) => !allowed.includes(value))
  return other.length > 0 ? [passes(travel, `the value ${other.join(' or ')}`)] : []
}

const inRange = (
  { narrow, wide }: Inclusion<Case>,
  axis: (typeof axes)[number],
  end: 'least' | 'greatest',
  travel: Travel,
): string[] => {
  const edges = { narrow: edgeOf(narrow, axis, end), wide: boundOf(wide, axis, end) }
  if (isWithin(edges.narrow, edges.wide, end)) return []
  const words = { narrow: describeEdge(edges.narrow, end), wide: describeEdge(edges.wide, end) }
  return [went(travel, `the ${end} ${axis.name}`, words)]
}

/** Two patterns are never compared by what they match: another text is another pattern. Of listed values it is known. */
const inTexts = ({ narrow, wide }: Inclusion<Case>, travel: Travel): string[] =>
  (['pattern', 'format'] as const).flatMap((keyword) => {
    const texts = (one: Case) => one.flatMap(({ schema }) => schema[keyword] ?? [])
    const listed = keyword === 'pattern' ? textsIn(valuesOf(narrow)) : undefined
    const holds = (text: string) =>
      texts(narrow).includes(text) || listed?.every((value) => new RegExp(text, 'u').test(value))
    if (texts(wide).every(holds)) return []
    const words = (one: Case) => texts(one).join(' and ') || 'none'
    return [went(travel, `the ${keyword}`, { narrow: words(narrow), wide: words(wide) })]
  })

const textsIn = (values: readonly string[] | undefined) =>
  values?.map((value): unknown => JSON.parse(value)).filter((value) => typeof value === 'string')

/** A call that leaves a member out means the default of its day. Where there was none, one may be made known. */
const inDefault = ({ narrow, wide }: Inclusion<Case>): string[] => {
  const [was, is] = [narrow, wide].map((one) =>
    JSON.stringify(one.find(({ schema }) => 'default' in schema)?.schema.default),
  )
  return was === undefined || was === is
    ? []
    : [`the default went from ${was} to ${is ?? 'none'}: calls without it now mean something else`]
}
