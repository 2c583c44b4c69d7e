import fc from 'fast-check'
import type { FlagsDocument } from '#contract/evaluate/flags-document.ts'
import { type LiveEventsDocument, liveEventsDocumentSchema } from '#contract/evaluate/live-events-document.ts'
import { valuesOfType } from './flag-arbitraries.ts'

/** Prefixes of each other, and a member of every object. */
const eventKeys = ['fest', 'fest-2', 'constructor', 'a']

/** At the moments of `moments`: not yet begun, on, over, or on for a moment alone. */
const schedules = fc
  .constantFrom([0, 1_000], [1_000, 1_001], [1_000, 2_000], [-1_000, 3_000], [2_000, 3_000])
  .chain(([start = 0, end = 0]) =>
    fc.record({
      start: fc.constant(new Date(start).toISOString()),
      end: fc.constant(new Date(end).toISOString()),
      run: fc.constantFrom(1, 12),
    }),
  )

/** Events beside a document of flags, with a value of its type for each flag that they name. */
export const liveEventsBeside = (flags: FlagsDocument): fc.Arbitrary<LiveEventsDocument> => {
  const values = Object.fromEntries(Object.entries(flags.flags).map(([key, { type }]) => [key, valuesOfType[type]]))
  return liveEventsOf(values, fc.constantFrom(...Object.keys(flags.audiences)))
}

/** Events that say of any flag, one that there is not too, what may be of another type, for audiences that may not be there. */
export const liveEventsAstray: fc.Arbitrary<LiveEventsDocument> = liveEventsOf(
  Object.fromEntries(['one', 'constructor', 'tostring'].map((key) => [key, fc.oneof(...Object.values(valuesOfType))])),
  fc.constantFrom('z', 'constructor', 'tostring'),
)

function liveEventsOf(values: Readonly<Record<string, fc.Arbitrary<unknown>>>, audiences: fc.Arbitrary<string>) {
  const event = fc.record(
    {
      title: fc.constant('Fest'),
      enabled: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, fc.constant(false)),
      schedule: schedules,
      audience: audiences,
      flags: fc.record(values, { requiredKeys: [] }),
      priority: fc.constantFrom(-1, 0, 0, 5),
    },
    { requiredKeys: ['title', 'schedule', 'flags'] },
  )
  return fc
    .record(Object.fromEntries(eventKeys.map((key) => [key, event])), { requiredKeys: [] })
    .map((events) => liveEventsDocumentSchema.parse({ events }))
}
