import { sql } from 'drizzle-orm'
import { bigint, check, index, jsonb, pgTable, smallint, text } from 'drizzle-orm/pg-core'
import type { Moved } from '#contract/events.ts'
import type { EventId } from '#contract/ids.ts'
import type { LeavingType } from '#contract/replication.ts'
import type { Db, Tx } from './client.ts'
import { id, moment } from './columns.ts'

/** How many relays can publish at once. More partitions cost a look each per turn; fewer limit one cell's relays. */
export const outboxPartitions = 16

/** Events that were committed and may not have left yet. `published_at` is set once Pub/Sub has them. */
export const outbox = pgTable(
  'outbox',
  {
    eventId: id<EventId>('event_id').primaryKey(),
    /** What the event is about, `player:ply_…`; events of one aggregate leave in the order of their versions. */
    aggregate: text('aggregate').notNull(),
    partition: smallint('partition')
      .notNull()
      .generatedAlwaysAs(sql.raw(`(hashtextextended(aggregate, 0) & ${outboxPartitions - 1})::smallint`)),
    version: bigint('version', { mode: 'number' }).notNull(),
    type: text('type').$type<LeavingType>().notNull(),
    data: jsonb('data').notNull(),
    moved: jsonb('moved').$type<readonly Moved[]>().notNull(),
    traceparent: text('traceparent').notNull(),
    occurredAt: moment('occurred_at').notNull(),
    publishedAt: moment('published_at'),
    /** The one subscription that an event goes to again; null for all that go out for the first time. */
    redrivenFor: text('redriven_for'),
  },
  (table) => [
    index('outbox_unpublished').on(table.partition, table.version, table.eventId).where(sql`published_at is null`),
    index('outbox_published').on(table.publishedAt).where(sql`published_at is not null`),
  ],
)

/** Which relay may publish a partition, and until when. */
export const outboxLeases = pgTable(
  'outbox_leases',
  {
    partition: smallint('partition').primaryKey(),
    owner: text('owner').notNull(),
    leasedUntil: moment('leased_until').notNull(),
  },
  () => [check('outbox_leases_partition', sql.raw(`"partition" between 0 and ${outboxPartitions - 1}`))],
)

export type OutboxRow = Omit<typeof outbox.$inferSelect, 'partition' | 'publishedAt'>

export const insertEvents = async (tx: Tx, events: readonly Omit<OutboxRow, 'redrivenFor'>[]): Promise<void> => {
  if (events.length > 0) await tx.insert(outbox).values([...events])
}

/**
 * Takes or renews the leases of partitions that have something to publish and that nobody else holds, at most `limit`.
 * Two relays that ask at once get different partitions.
 */
export const leasePartitions = async (
  db: Db,
  lease: { owner: string; now: Date; until: Date; limit: number },
): Promise<number[]> => {
  const now = lease.now.toISOString()
  const rows = await db.execute<{ partition: number }>(sql`
    update outbox_leases set owner = ${lease.owner}, leased_until = ${lease.until.toISOString()}::timestamptz
    where partition in (
      select partition from outbox_leases l
      where (leased_until < ${now}::timestamptz or owner = ${lease.owner})
        and exists (select from outbox o where o.partition = l.partition and o.published_at is null)
      limit ${lease.limit} for update skip locked)
    returning partition`)
  return rows.map((row) => row.partition)
}

/** Lets others have a relay's partitions at once. */
export const releasePartitions = async (db: Db, owner: string): Promise<void> => {
  await db.execute(sql`update outbox_leases set leased_until = '-infinity' where owner = ${owner}`)
}

/**
 * The next events of one partition, by its partial index. Versions grow with every write of an aggregate and follow the
 * clock, so their order is each aggregate's own order, and no busy aggregate starves the others.
 */
export const listUnpublished = (db: Db, partition: number, limit: number): Promise<OutboxRow[]> =>
  db
    .select({
      eventId: outbox.eventId,
      aggregate: outbox.aggregate,
      version: outbox.version,
      type: outbox.type,
      data: outbox.data,
      moved: outbox.moved,
      traceparent: outbox.traceparent,
      occurredAt: outbox.occurredAt,
      redrivenFor: outbox.redrivenFor,
    })
    .from(outbox)
    .where(sql`${outbox.partition} = ${partition} and ${outbox.publishedAt} is null`)
    .orderBy(outbox.version, outbox.eventId)
    .limit(limit)

/**
 * Marks events of one partition as published and, where nothing else was waiting, gives up the lease: a relay that dies then
 * leaves behind only the partitions that it was working on.
 */
export const markPublished = async (
  db: Db,
  batch: { partition: number; owner: string; eventIds: readonly EventId[]; now: Date; drained: boolean },
): Promise<void> => {
  await db.execute(sql`
    with released as (
      update outbox_leases set leased_until = '-infinity'
      where partition = ${batch.partition} and owner = ${batch.owner} and ${batch.drained})
    update outbox set published_at = ${batch.now.toISOString()}::timestamptz
    where event_id = any(${sql.param(batch.eventIds)}::text[])`)
}

/** Sends an event to one subscription again, whether it is still here or was deleted after it had left. */
export const insertAgain = async (tx: Tx, event: OutboxRow): Promise<void> => {
  const { redrivenFor } = event
  await tx
    .insert(outbox)
    .values(event)
    .onConflictDoUpdate({ target: outbox.eventId, set: { publishedAt: null, redrivenFor } })
}

/** Deletes events that were published before `before`, at most `limit`; answers how many went. */
export const reapPublished = async (db: Db, options: { before: Date; limit: number }): Promise<number> => {
  const rows = await db.execute(sql`
    delete from outbox where event_id = any(array(
      select event_id from outbox where published_at < ${options.before.toISOString()}::timestamptz
      order by published_at limit ${options.limit} for update skip locked))
    returning 1`)
  return rows.length
}

/** What waits in the outbox. */
export type Backlog = {
  /** Events that were not published yet, counted up to the bound. */
  readonly unpublished: number
  /** When the oldest of them happened; undefined where there is none. */
  readonly oldestAt: Date | undefined
}

/** How many rows a look at a queue counts at the most: some milliseconds of an index, whatever has piled up. */
export const countedMax = 10_000

/**
 * What waits to be published, by the partial index, `countedMax` rows of it at the most: in order of partition and version, so the
 * oldest of more than that is the oldest of those.
 */
export const readBacklog = async (db: Db): Promise<Backlog> => {
  const [row] = await db.execute<{ unpublished: number; oldest: string | null }>(sql`
    select count(*)::int as unpublished, (extract(epoch from min(occurred_at)) * 1000)::float8 as oldest from (
      select occurred_at from outbox where published_at is null order by partition, version, event_id limit ${countedMax}) waiting`)
  const { unpublished = 0, oldest = null } = row ?? {}
  return { unpublished, oldestAt: oldest === null ? undefined : new Date(Number(oldest)) }
}
