import { writeFile } from 'node:fs/promises'
import * as z from 'zod'
import { type EventDefinition, events } from '#contract/events.ts'
import { settings, topicsOf } from '#core/config.ts'
import { paths } from '#core/paths.ts'
import { subscriptions } from '#core/subscriptions.ts'
import { connectionsBeside } from '#db/link.ts'

/**
 * What Terraform has to know of the code, written to `terraform/contract.json`, so that no name is typed twice: topics and
 * subscriptions by what follows the prefix, the core's settings, the addresses that a platform asks, and the members of each event.
 */
export const terraformContract = (): string => {
  const prefix = 'prefix'
  const topics = Object.entries(topicsOf({ PUBSUB_PREFIX: prefix }))
  const document = {
    topics: Object.fromEntries(topics.map(([topic, name]) => [topic, name.slice(prefix.length + 1)])),
    subscriptions,
    settings,
    paths,
    connectionsBesidePool: connectionsBeside,
    events: Object.fromEntries(Object.entries(events).map(([type, event]) => [type, membersOf(event)])),
  }
  return `${JSON.stringify(document, null, 2)}\n`
}

/** The members of an event's data, each as what a column would be: `string`, `integer`, `time` or `json`. */
const membersOf = ({ data }: EventDefinition): Record<string, string> => {
  const schema = z.toJSONSchema(data, { io: 'output', unrepresentable: 'any' })
  const members = Object.entries(schema.properties ?? {})
  return Object.fromEntries(members.map(([name, member]) => [name, columnOf(member)]))
}

const columnOf = (member: z.core.JSONSchema._JSONSchema): string => {
  if (typeof member === 'boolean') return 'json'
  const [only, ...others] = (member.anyOf ?? [member]).filter(
    (form) => typeof form !== 'boolean' && form.type !== 'null',
  )
  if (others.length > 0 || typeof only !== 'object') return 'json'
  if (only.type === 'integer') return 'integer'
  if (only.type !== 'string') return 'json'
  return only.format === 'date-time' ? 'time' : 'string'
}

/** Where the document is checked in. */
export const terraformContractPath = new URL('../../terraform/contract.json', import.meta.url)

if (import.meta.main) await writeFile(terraformContractPath, terraformContract())
