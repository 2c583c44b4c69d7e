import { and, asc, eq, isNull, sql } from 'drizzle-orm'
import { index, integer, json, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import type { Db, Tx } from './client.ts'
import { bytes, moment } from './columns.ts'

/** Events that a subscription could not take, each until it is redriven or discarded. */
export const deadLetters = pgTable(
  'dead_letters',
  {
    subscription: text('subscription').notNull(),
    /** The event's id; of a message that is no event of ours, a hash. */
    eventId: text('event_id').notNull(),
    /** The message as it was delivered, whatever it holds. (`json`: `jsonb` refuses NUL.) */
    attributes: json('attributes').$type<Readonly<Record<string, string>>>().notNull(),
    data: bytes('data').notNull(),
    /** Name and message of the last error. */
    reason: text('reason').notNull(),
    attempts: integer('attempts').notNull(),
    filedAt: moment('filed_at').notNull(),
    /** When it was last sent again; null while it waits. */
    redrivenAt: moment('redriven_at'),
  },
  (table) => [
    primaryKey({ columns: [table.subscription, table.eventId] }),
    index('dead_letters_filed').on(table.filedAt),
  ],
)

export type DeadLetterRow = typeof deadLetters.$inferSelect
export type DeadLetterKey = Pick<DeadLetterRow, 'subscription' | 'eventId'>

/** Files a dead letter; one that comes back after a redrive waits again. Idempotent. */
export const fileDeadLetter = async (db: Db, letter: Omit<DeadLetterRow, 'redrivenAt'>): Promise<void> => {
  const { attributes, data, reason, attempts, filedAt } = letter
  await db
    .insert(deadLetters)
    .values(letter)
    .onConflictDoUpdate({
      target: [deadLetters.subscription, deadLetters.eventId],
      set: { attributes, data, reason, attempts, filedAt, redrivenAt: null },
    })
}

const whereOf = ({ subscription, eventId }: Partial<DeadLetterKey>) =>
  and(
    subscription === undefined ? undefined : eq(deadLetters.subscription, subscription),
    eventId === undefined ? undefined : eq(deadLetters.eventId, eventId),
  )

/** Letters that wait, by subscription and event id, from behind `after`; by primary key. */
export const listWaitingDeadLetters = (
  db: Db,
  page: { of: Partial<DeadLetterKey>; after: DeadLetterKey | undefined; limit: number },
): Promise<DeadLetterRow[]> =>
  db
    .select()
    .from(deadLetters)
    .where(
      and(
        isNull(deadLetters.redrivenAt),
        whereOf(page.of),
        page.after &&
          sql`(${deadLetters.subscription}, ${deadLetters.eventId}) > (${page.after.subscription}, ${page.after.eventId})`,
      ),
    )
    .orderBy(asc(deadLetters.subscription), asc(deadLetters.eventId))
    .limit(page.limit)

/** Every letter of an event, waiting or redriven; by its subscription. A table of dead letters is small. */
export const findDeadLetters = (db: Db, eventId: string): Promise<DeadLetterRow[]> =>
  db.select().from(deadLetters).where(whereOf({ eventId })).orderBy(asc(deadLetters.subscription))

/** Marks a letter as sent again. False when it did not wait; of two at once one gets true. */
export const markRedriven = async (tx: Tx, letter: DeadLetterKey, now: Date): Promise<boolean> => {
  const rows = await tx
    .update(deadLetters)
    .set({ redrivenAt: now })
    .where(and(whereOf(letter), isNull(deadLetters.redrivenAt)))
    .returning({ eventId: deadLetters.eventId })
  return rows.length === 1
}

/** Takes a letter away for good. False when there was none. */
export const deleteDeadLetter = async (db: Db, letter: DeadLetterKey): Promise<boolean> => {
  const rows = await db.delete(deadLetters).where(whereOf(letter)).returning({ eventId: deadLetters.eventId })
  return rows.length === 1
}

/** Deletes letters that were filed before `before`, at most `limit`, oldest first; answers how many went. */
export const reapDeadLetters = async (db: Db, options: { before: Date; limit: number }): Promise<number> => {
  const rows = await db.execute(sql`
    delete from dead_letters where ctid = any(array(
      select ctid from dead_letters where filed_at < ${options.before.toISOString()}::timestamptz
      order by filed_at limit ${options.limit} for update skip locked))
    returning 1`)
  return rows.length
}

/** Letters that wait for somebody, `limit` at the most. */
export const countWaitingDeadLetters = async (db: Db, limit: number): Promise<number> => {
  const [row] = await db.execute<{ waiting: number }>(sql`
    select count(*)::int as waiting from (select from dead_letters where redriven_at is null limit ${limit}) letters`)
  return row?.waiting ?? 0
}
