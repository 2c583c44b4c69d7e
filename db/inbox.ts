import { sql } from 'drizzle-orm'
import { bigint, index, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import type { EventId } from '#contract/ids.ts'
import type { Db, Tx } from './client.ts'
import { id, moment } from './columns.ts'

/** Events that a consumer of facts has acted on: one row for each, written in the transaction of the act. */
export const inbox = pgTable(
  'inbox',
  {
    consumer: text('consumer').notNull(),
    eventId: id<EventId>('event_id').notNull(),
    receivedAt: moment('received_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.consumer, table.eventId] }), index('inbox_received').on(table.receivedAt)],
)

/** How far a consumer of state has come with each thing. */
export const consumerVersions = pgTable(
  'consumer_versions',
  {
    consumer: text('consumer').notNull(),
    aggregate: text('aggregate').notNull(),
    version: bigint('version', { mode: 'number' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.consumer, table.aggregate] })],
)

/**
 * Records that a consumer acts on an event, by primary key. False when it did before; waits for a delivery of the same event
 * that is in flight, so that of two at once one acts.
 */
export const insertReceipt = async (
  tx: Tx,
  receipt: { consumer: string; eventId: EventId; now: Date },
): Promise<boolean> => {
  const rows = await tx
    .insert(inbox)
    .values({ consumer: receipt.consumer, eventId: receipt.eventId, receivedAt: receipt.now })
    .onConflictDoNothing()
    .returning({ eventId: inbox.eventId })
  return rows.length === 1
}

/**
 * Moves a consumer's version of an aggregate forward, by primary key. False when it has this version or a higher one; the row
 * stays locked until the transaction ends, so of two deliveries at once the lower cannot overwrite the higher.
 */
export const raiseConsumerVersion = async (
  tx: Tx,
  seen: { consumer: string; aggregate: string; version: number },
): Promise<boolean> => {
  const rows = await tx
    .insert(consumerVersions)
    .values(seen)
    .onConflictDoUpdate({
      target: [consumerVersions.consumer, consumerVersions.aggregate],
      set: { version: seen.version },
      setWhere: sql`${consumerVersions.version} < ${seen.version}`,
    })
    .returning({ version: consumerVersions.version })
  return rows.length === 1
}

/** Deletes receipts older than `before`, at most `limit`, oldest first; answers how many went. */
export const reapInbox = async (db: Db, options: { before: Date; limit: number }): Promise<number> => {
  const rows = await db.execute(sql`
    delete from inbox where ctid = any(array(
      select ctid from inbox where received_at < ${options.before.toISOString()}::timestamptz
      order by received_at limit ${options.limit} for update skip locked))
    returning 1`)
  return rows.length
}
