import {
  type Break,
  type Inclusion,
  inclusionOf,
  isGone,
  isNeeded,
  type Pair,
  pairOf,
  passes,
  type Travel,
} from './breaks.ts'
import {
  below,
  type Case,
  casesOf,
  fixedOf,
  memberNamesOf,
  memberOf,
  type Place,
  partOf,
  pointerTo,
  requiredOf,
} from './cases.ts'
import { findScalarBreaks } from './scalars.ts'
import { kindsOf, valuesOf } from './values.ts'

/**
 * What a change of a schema breaks; empty where it is compatible. It is judged by the values that the two allow, and by one rule
 * more: a member that was named stays, though an open object would allow it unnamed.
 */
export const findSchemaBreaks = (pair: Pair<Place>, travel: Travel): Break[] => {
  const { narrow, wide } = inclusionOf(pair, travel)
  return createComparison(travel).places({ narrow: [narrow], wide: [wide] }, pair.released.pointer)
}

/** The same of one case of each schema, where it is known which belong together. */
export const findCaseBreaks = (pair: Pair<Case>, travel: Travel, pointer: string): Break[] =>
  createComparison(travel).cases(inclusionOf(pair, travel), pointer)

const createComparison = (travel: Travel) => {
  /** What is being compared. Met again below itself it holds, unless something else breaks it: schemas may be recursive. */
  const underWay = new Set<string>()

  const places = ({ narrow, wide }: Inclusion<readonly Place[]>, at: string): Break[] => {
    const pair = JSON.stringify([narrow, wide].map((list) => list.map(({ pointer }) => pointer)))
    if (underWay.has(pair)) return []
    underWay.add(pair)
    const wideCases = casesOf(wide)
    const breaks = casesOf(narrow).flatMap((one) => inOneOf(one, wideCases, at))
    underWay.delete(pair)
    return breaks
  }

  /** One of the wide cases must hold the narrow one. If none does, the words are about the one that it resembles. */
  const inOneOf = (narrow: Case, wide: readonly Case[], at: string): Break[] => {
    const found = wide.map((one) => ({ one, breaks: cases({ narrow, wide: one }, at) }))
    if (found.some(({ breaks }) => breaks.length === 0)) return []
    const [closest] = found
      .filter(({ one }) => wide.length === 1 || describe(one) === describe(narrow))
      .sort((a, b) => a.breaks.length - b.breaks.length)
    return closest?.breaks ?? [{ pointer: at, what: passes(travel, describe(narrow)) }]
  }

  const cases = (inclusion: Inclusion<Case>, at: string): Break[] => {
    const { narrow, wide } = inclusion
    // Of parts that hold together the last says the most: a problem's own members after those of all problems.
    const pointer = pairOf(inclusion, travel).released.at(-1)?.pointer ?? at
    const shared = kindsOf(narrow).filter((kind) => kindsOf(wide).includes(kind))
    return [
      ...findScalarBreaks(inclusion, travel).map((what) => ({ pointer, what })),
      ...(shared.includes('array') ? parts(inclusion, 'items', pointer) : []),
      ...(shared.includes('object') ? members(inclusion, pointer) : []),
    ]
  }

  const parts = ({ narrow, wide }: Inclusion<Case>, keyword: 'items' | 'additionalProperties', at: string) =>
    places({ narrow: below(narrow, keyword), wide: below(wide, keyword) }, pointerTo(at, keyword))

  const members = (inclusion: Inclusion<Case>, at: string): Break[] => {
    const { narrow, wide } = inclusion
    const { released, current } = pairOf(inclusion, travel)
    const names = { released: memberNamesOf(released), current: memberNamesOf(current) }
    const gone = names.released.difference(names.current)
    const needed = requiredOf(wide).difference(requiredOf(narrow)).difference(gone)
    return [
      ...[...gone].map((name) => ({
        pointer: pointerOf(released, name, at),
        what: isGone(travel, `the member \`${name}\``),
      })),
      ...[...needed].map((name) => ({
        pointer: pointerOf(wide, name, at),
        what: isNeeded(travel, `the member \`${name}\``),
      })),
      ...[...names.released.union(names.current).difference(gone)].flatMap((name) => {
        const asked = memberOf(narrow, name)
        // What an open object of a request did not name was passed over, whatever it held.
        if (travel === 'request' && asked.length === 0) return []
        return places({ narrow: asked, wide: memberOf(wide, name) }, pointerTo(at, 'properties', name))
      }),
      ...otherMembers(inclusion, at),
    ]
  }

  /** The members that an object does not name: what may they hold, and how may they be called. */
  const otherMembers = (inclusion: Inclusion<Case>, at: string): Break[] => {
    const { narrow, wide } = inclusion
    const isOpen = (one: Case) => casesOf(below(one, 'additionalProperties')).length > 0
    const root = { schema: true, pointer: at, named: new Map() }
    const name = partOf(root, { type: 'string' }, 'propertyNames')
    return [
      ...(isOpen(narrow) && !isOpen(wide)
        ? [{ pointer: at, what: passes(travel, 'a member that the object does not name') }]
        : parts(inclusion, 'additionalProperties', at)),
      ...places(
        { narrow: [name, ...below(narrow, 'propertyNames')], wide: below(wide, 'propertyNames') },
        name.pointer,
      ),
    ]
  }

  return { places, cases }
}

/** Where a member is described; below the object where it is not. */
const pointerOf = (one: Case, name: string, at: string): string => {
  const holder = one.find(({ schema }) => Object.hasOwn(schema.properties ?? {}, name))
  return pointerTo(holder?.pointer ?? at, 'properties', name)
}

/** A case in a few words: its values, or its types and the members that tell it from other cases. */
const describe = (one: Case): string => {
  const values = valuesOf(one)
  if (values) return `the value ${values.join(' or ')}`
  const fixed = [...memberNamesOf(one)].flatMap((name) => {
    const value = fixedOf(one, name)
    return value === undefined ? [] : [`${name} ${value}`]
  })
  return `a value of type ${[kindsOf(one).join(' or '), ...fixed].join(' with ')}`
}
