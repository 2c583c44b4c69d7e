import { randomUUID } from 'node:crypto'
import { type Cell, newId } from '#contract/ids.ts'
import { insertAuditRow } from '#db/audit-log.ts'
import type { Db, Tx } from '#db/client.ts'

/** What somebody did, as the audit log says it. */
export type Act = {
  /** `player.ban` */
  readonly action: `${string}.${string}`
  /** `player:ply_…` */
  readonly subject: `${string}:${string}`
  /** What else there is to say: no secret, token or address, and no name of a player. */
  readonly detail: Readonly<Record<string, string | number | boolean | null | readonly string[]>>
}

/** Who did it, where, when, and in which request. */
export type AuditOrigin = {
  /** `operator:opr_…`, `key:key_…`, `command`, or `unknown` for somebody who did not get in. */
  readonly actor: string
  readonly cell: Cell
  readonly requestId: string
  readonly now: Date
}

/** Writes an act down. It is told of if and only if the transaction commits, so this must be the transaction of the act. */
export const record = (
  tx: Tx,
  { actor, cell, requestId, now, action, subject, detail }: AuditOrigin & Act,
): Promise<void> =>
  insertAuditRow(tx, {
    auditId: newId('audit', cell, now.getTime()),
    actor,
    action,
    subject,
    detail,
    requestId,
    at: now,
  })

/** What was done, and what is to be said of it. */
export type Audited<Answer> = { readonly answer: Answer; readonly audit: Act }

/** Does what somebody typed on a machine that has the database, and writes it down, in one transaction. */
export const actByCommand = <Answer>(
  db: Db,
  { cell, now }: Pick<AuditOrigin, 'cell' | 'now'>,
  work: (tx: Tx) => Promise<Audited<Answer>>,
): Promise<Answer> =>
  db.transaction(async (tx) => {
    const { answer, audit } = await work(tx)
    await record(tx, { actor: 'command', cell, now, requestId: randomUUID(), ...audit })
    return answer
  })
