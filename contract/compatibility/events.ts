import { type Break, isGone, type Pair } from './breaks.ts'
import { type Place, partOf, pointerTo, referencesTo } from './cases.ts'
import type { EventDocument } from './documents.ts'
import { matchedOf } from './parts.ts'
import { findSchemaBreaks } from './schemas.ts'

/** What a change of the events breaks for those who consume them. A new type breaks nobody. */
export const compareEvents = ({ released, current }: Pair<EventDocument>): Break[] => {
  const { gone, kept } = matchedOf({ released: eventsOf(released), current: eventsOf(current) })
  return [
    ...gone.map(([type, { pointer }]) => ({ pointer, what: isGone('answer', `the event ${type}`) })),
    ...kept.flatMap(({ released, current }) => [
      ...inSubject({ released, current }),
      ...findSchemaBreaks({ released: released.place, current: current.place }, 'answer'),
    ]),
  ]
}

type Event = { readonly aggregate: string; readonly pointer: string; readonly place: Place }

/** The schemas that are events, by type; the others are what events share. */
const eventsOf = ({ $defs }: EventDocument): ReadonlyMap<string, Event> => {
  const root = { schema: true, pointer: '#', named: referencesTo('#/$defs', $defs) }
  return new Map(
    Object.entries($defs).flatMap(([type, schema]) => {
      const place = partOf(root, schema, '$defs', type)
      const aggregate = schema['x-perigee-aggregate']
      return aggregate === undefined ? [] : [[type, { aggregate, pointer: place.pointer, place }] as const]
    }),
  )
}

const inSubject = ({ released, current }: Pair<Event>): Break[] => {
  if (released.aggregate === current.aggregate) return []
  const what = `the subject went from ${released.aggregate} to ${current.aggregate}: consumers order and gather by it`
  return [{ pointer: pointerTo(released.pointer, 'x-perigee-aggregate'), what }]
}
