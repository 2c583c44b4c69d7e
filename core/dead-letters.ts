import { parseMoved } from '#contract/edge-request.ts'
import { type LeavingType, leaving } from '#contract/replication.ts'
import type { Database } from '#db/client.ts'
import { type DeadLetterRow, fileDeadLetter, markRedriven } from '#db/dead-letters.ts'
import { insertAgain, type OutboxRow } from '#db/outbox.ts'
import { parseDeadLetter } from '#infra/event-bus.ts'
import { parseEvent } from './cloud-event.ts'
import type { Consumer } from './consumer.ts'
import { sha256 } from './secrets.ts'

/** Files what subscriptions of this cell could not take, where `npm run dead-letters` finds it. */
export const createDeadLetterConsumer = (options: {
  readonly database: Database
  /** What the names of the cell's subscriptions begin with: each cell files its own. */
  readonly prefix: string
  readonly clock: () => number
}): Consumer => ({
  name: 'dead-letters',
  available: options.database.ping,
  handle: async (delivered) => {
    const { subscription, message, reason, attempts } = parseDeadLetter(delivered)
    if (!subscription.startsWith(options.prefix)) return
    const { attributes, data } = message
    const filedAt = new Date(options.clock())
    const eventId = eventIdOf(attributes['ce-id'], data)
    await fileDeadLetter(options.database.db, { subscription, eventId, attributes, data, reason, attempts, filedAt })
  },
})

const eventIdOf = (stated: string | undefined, data: Uint8Array): string =>
  stated !== undefined && /^[\x21-\x7e]{1,128}$/.test(stated) ? stated : `unknown_${sha256(data).slice(0, 32)}`

/**
 * Sends a dead letter to its subscription again, through the outbox. Its mark and the outbox row commit together; called
 * twice, or by two at once, it is sent once. Whoever had taken the event before knows it by its id or its version.
 *
 * False when the letter did not wait. @throws Error when the message is no event of ours, which nobody could ever take
 */
export const redrive = async (database: Database, letter: DeadLetterRow, now: Date): Promise<boolean> => {
  const event = outboxRowOf(letter)
  return database.db.transaction(async (tx) => {
    if (!(await markRedriven(tx, letter, now))) return false
    await insertAgain(tx, event)
    return true
  })
}

const everyType = Object.keys(leaving) as LeavingType[]

const outboxRowOf = ({ subscription, attributes, data }: DeadLetterRow): OutboxRow => {
  const event = parseEvent({ orderingKey: '', attributes, data }, everyType)
  const occurredAt = new Date(attributes['ce-time'] ?? '')
  if (!event || Number.isNaN(occurredAt.getTime())) throw new Error('it is no event that this version knows')
  const moved = parseMoved(attributes['ce-moved'] ?? '')
  return { ...event, moved, occurredAt, redrivenFor: subscription }
}
