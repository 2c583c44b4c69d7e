import { and, eq, isNull, lt, sql } from 'drizzle-orm'
import { bigint, check, pgTable, text } from 'drizzle-orm/pg-core'
import type { OperatorId } from '#contract/ids.ts'
import type { Role } from '#contract/rights.ts'
import type { Db, Tx } from './client.ts'
import { id, moment } from './columns.ts'

/** People who run the game, in the control cell. What they sign in with is two things: a secret that we made, and a code of six digits. */
export const operators = pgTable(
  'operators',
  {
    operatorId: id<OperatorId>('operator_id').primaryKey(),
    name: text('name').notNull().unique('operators_name'),
    role: text('role').$type<Role>().notNull(),
    /** Of the secret that was made for them and shown once. It is random, so a plain hash does. */
    secretHash: text('secret_hash').notNull().unique('operators_secret_hash'),
    /** What the codes are made of (RFC 6238), encrypted under the deployment's master key. */
    totpSecretEncrypted: text('totp_secret_encrypted').notNull(),
    /** The step of the last code that was taken: none is taken twice. */
    totpStep: bigint('totp_step', { mode: 'number' }).notNull().default(0),
    createdAt: moment('created_at').notNull(),
    disabledAt: moment('disabled_at'),
  },
  (table) => [check('operators_name_length', sql`char_length(${table.name}) between 1 and 64`)],
)

export type OperatorRow = typeof operators.$inferSelect

/** The unique index on the name decides of two at once; the second throws a unique violation. */
export const insertOperator = async (tx: Tx, row: OperatorRow): Promise<void> => {
  await tx.insert(operators).values(row)
}

/** Every account, also those that were disabled, oldest first. A deployment has tens. */
export const listOperators = (db: Db): Promise<OperatorRow[]> =>
  db.select().from(operators).orderBy(operators.operatorId)

/** By the unique index on the hash; undefined when nobody has the secret. */
export const findOperatorBySecret = async (db: Db, secretHash: string): Promise<OperatorRow | undefined> => {
  const [row] = await db.select().from(operators).where(eq(operators.secretHash, secretHash))
  return row
}

/** An account by its unique name, its row locked until the transaction ends; undefined when there is none. */
export const lockOperator = async (tx: Tx, name: string): Promise<OperatorRow | undefined> => {
  const [row] = await tx.select().from(operators).where(eq(operators.name, name)).for('update')
  return row
}

export const updateOperator = async (
  tx: Tx,
  operatorId: OperatorId,
  change: Partial<Pick<OperatorRow, 'role' | 'secretHash' | 'totpSecretEncrypted' | 'totpStep' | 'disabledAt'>>,
): Promise<void> => {
  await tx.update(operators).set(change).where(eq(operators.operatorId, operatorId))
}

/**
 * Takes the code of a step, and locks the account until the transaction ends. Of two at once the second waits for the first,
 * looks at the row anew and finds the step taken. Answers the account as it is then; undefined, and nothing stored, when this
 * code or a later one was taken, the account is disabled, or its secret or enrolment is no longer what was looked at.
 */
export const takeTotpStep = async (
  tx: Tx,
  { operatorId, secretHash, totpSecretEncrypted }: OperatorRow,
  totpStep: number,
): Promise<OperatorRow | undefined> => {
  const isAsSeen = and(
    eq(operators.secretHash, secretHash),
    eq(operators.totpSecretEncrypted, totpSecretEncrypted),
    isNull(operators.disabledAt),
  )
  const [row] = await tx
    .update(operators)
    .set({ totpStep })
    .where(and(eq(operators.operatorId, operatorId), lt(operators.totpStep, totpStep), isAsSeen))
    .returning()
  return row
}
