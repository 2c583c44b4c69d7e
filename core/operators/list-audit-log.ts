import { auditIdSchema } from '#contract/ids.ts'
import type { listAuditLog as route } from '#contract/operators.ts'
import type { AnswerOf, InputOf } from '#contract/route.ts'
import type { Context } from '#core/context.ts'
import { decodeCursor, encodeCursor } from '#core/page.ts'
import { listAuditRows } from '#db/audit-log.ts'

/** A page of the cell's audit log, the latest first. @throws Fault `invalid_request` for a cursor of another filter */
export const listAuditLog = async (ctx: Context, { query }: InputOf<typeof route>): Promise<AnswerOf<typeof route>> => {
  const { cursor, limit, subject, actor } = query
  const filter = { subject, actor }
  const before = decodeCursor(filter, cursor, auditIdSchema)
  // One more than is shown tells whether there is a next page.
  const rows = await listAuditRows(ctx.db, { ...filter, before, limit: limit + 1 })
  const shown = rows.slice(0, limit)
  const last = rows.length > limit ? shown.at(-1) : undefined
  return {
    entries: shown.map(({ at, ...entry }) => ({ ...entry, at: at.toISOString() })),
    ...(last ? { nextCursor: encodeCursor(filter, last.auditId) } : {}),
  }
}
