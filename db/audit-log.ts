import { and, desc, eq, lt } from 'drizzle-orm'
import { index, jsonb, pgTable, text } from 'drizzle-orm/pg-core'
import type { AuditId } from '#contract/ids.ts'
import type { Db, Tx } from './client.ts'
import { id, moment } from './columns.ts'

/** What people and backends did to others' things: one row an act, written in the transaction of the act; never changed. */
export const auditLog = pgTable(
  'audit_log',
  {
    auditId: id<AuditId>('audit_id').primaryKey(),
    /** `operator:opr_…`, `key:key_…`, or `command` for what was typed on a machine that has the database, `unknown`. */
    actor: text('actor').notNull(),
    /** What was done, `player.ban`. */
    action: text('action').notNull(),
    /** To what, `player:ply_…`. */
    subject: text('subject').notNull(),
    /** What else there is to say; no secret, nothing personal. */
    detail: jsonb('detail').$type<Readonly<Record<string, unknown>>>().notNull(),
    requestId: text('request_id').notNull(),
    at: moment('at').notNull(),
  },
  (table) => [
    index('audit_log_subject').on(table.subject, table.auditId),
    index('audit_log_actor').on(table.actor, table.auditId),
  ],
)

export type AuditRow = typeof auditLog.$inferSelect

export const insertAuditRow = async (tx: Tx, row: AuditRow): Promise<void> => {
  await tx.insert(auditLog).values(row)
}

/**
 * What was done, the latest first, at most `limit`, from before `before` on. By the index on the subject or on the actor where
 * one is given, else by the primary key. An id has the time at which its request arrived: of acts of the same moment, one that
 * commits late can appear before the place that a page has reached.
 */
export const listAuditRows = (
  db: Db,
  filter: {
    readonly subject: string | undefined
    readonly actor: string | undefined
    readonly before: AuditId | undefined
    readonly limit: number
  },
): Promise<AuditRow[]> => {
  const { subject, actor, before, limit } = filter
  return db
    .select()
    .from(auditLog)
    .where(
      and(
        subject === undefined ? undefined : eq(auditLog.subject, subject),
        actor === undefined ? undefined : eq(auditLog.actor, actor),
        before === undefined ? undefined : lt(auditLog.auditId, before),
      ),
    )
    .orderBy(desc(auditLog.auditId))
    .limit(limit)
}
