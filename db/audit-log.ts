import { index, jsonb, pgTable, text } from 'drizzle-orm/pg-core'
import type { AuditId } from '#contract/ids.ts'
import { id, moment } from './columns.ts'

/** What people and backends did to others' things: one row an act, written in the transaction of the act; never changed. */
export const auditLog = pgTable(
  'audit_log',
  {
    auditId: id<AuditId>('audit_id').primaryKey(),
    /** `operator:opr_…`, `key:key_…`, or `command` for what was typed on a machine that has the database. */
    actor: text('actor').notNull(),
    /** What was done, `player.ban`. */
    action: text('action').notNull(),
    /** To what, `player:ply_…`. */
    subject: text('subject').notNull(),
    /** What else there is to say; no secret, nothing personal. */
    detail: jsonb('detail').notNull(),
    requestId: text('request_id').notNull(),
    at: moment('at').notNull(),
  },
  (table) => [
    index('audit_log_subject').on(table.subject, table.auditId),
    index('audit_log_actor').on(table.actor, table.auditId),
  ],
)
