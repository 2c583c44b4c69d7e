import { randomUUID } from 'node:crypto'
import { eventOf, flagOf } from './content-calls.ts'
import type { World } from './harness.ts'
import { publishDocument } from './published.ts'

const flags = { kind: 'flags' }
const liveEvents = { kind: 'live-events' }
const note = 'test'

/**
 * Calls that succeed once there is spare content, each at least once. What they publish has all the flags that were there, for
 * whoever evaluates them.
 */
export const contentExamples = {
  getContent: () => ({ params: flags }),
  getDraft: () => ({ params: flags }),
  putDraft: () => ({ params: liveEvents, body: { document: { events: { [randomUUID()]: eventOf() } } } }),
  patchDraft: () => ({ params: flags, body: { patch: { flags: { [randomUUID()]: flagOf() } } } }),
  discardDraft: () => ({ params: liveEvents }),
  diffDraft: () => ({ params: flags }),
  publishContent: () => ({ params: flags, body: { note } }),
  cancelPublish: () => ({ params: liveEvents }),
  rollBackContent: () => ({ params: flags, body: { number: 1, note } }),
  listVersions: () => ({ params: flags }),
  getVersion: () => ({ params: { ...flags, number: '1' } }),
}

/**
 * Two versions more and a draft of flags, and live events that are to be published in a year: each of the calls succeeds then,
 * also where it did before.
 */
export const makeSpareContent = async (world: World): Promise<void> => {
  await publishDocument(world, 'flags', await withOneMore(world))
  await publishDocument(world, 'flags', await withOneMore(world))
  const draft = JSON.stringify(await withOneMore(world))
  await world.sql`update content_drafts set draft = ${draft}, draft_updated_at = now(), draft_updated_by = 'command'
    where kind = 'flags'`
  await world.sql`update content_drafts set publish_at = now() + interval '1 year', scheduled = '{"events":{}}',
    scheduled_by = 'command', scheduled_note = 'test' where kind = 'live-events'`
}

/** What is live, and a flag that nobody has seen. */
const withOneMore = async ({ sql }: World): Promise<object> => {
  const [row] = await sql`select document from content_versions where kind = 'flags' order by number desc limit 1`
  const live = JSON.parse(row?.document ?? '{}')
  return { ...live, flags: { ...live.flags, [randomUUID()]: flagOf() } }
}
