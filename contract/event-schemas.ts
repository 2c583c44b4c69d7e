import type { EventDefinition } from './events.ts'
import { createNamedSchemas, type Json } from './json-schema.ts'

const description =
  'The data of every event that leaves Perigee, by its CloudEvents type. Events leave at least once, and those of one subject in the order of `aggregateversion` as a rule: state goes by the highest version, facts by the id of the event. A type may gain members, so do not refuse those that you do not know.'

/**
 * The JSON Schema document of a table of events. The same table gives the same document, byte for byte.
 *
 * `$id` is relative, so that it holds on every host. A `$defs` with `x-perigee-aggregate`, which gives the form of the CloudEvents
 * `subject`, is an event; the others are what events share.
 *
 * @see https://json-schema.org/draft/2020-12/json-schema-core
 */
export const eventSchemasDocument = (table: Readonly<Record<string, EventDefinition>>): Json => {
  const shared = createNamedSchemas('#/$defs/')
  const types = Object.entries(table).map(([type, event]) => [type, schemaOf(type, event, shared.convert)] as const)
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: '/events.json',
    title: 'Events of Perigee',
    description,
    $defs: { ...Object.fromEntries(types), ...shared.all() },
  }
}

const schemaOf = (
  type: string,
  { description, aggregate, data }: EventDefinition,
  convert: ReturnType<typeof createNamedSchemas>['convert'],
): Json => ({ title: type, description, 'x-perigee-aggregate': aggregate, ...convert(data, 'output') })
