import { sql } from 'drizzle-orm'
import { bigint, check, pgTable, text } from 'drizzle-orm/pg-core'
import type { OperatorId } from '#contract/ids.ts'
import { id, moment } from './columns.ts'

/** People who run the game, in the control cell. What they sign in with is two things: a secret that we made, and a code of six digits. */
export const operators = pgTable(
  'operators',
  {
    operatorId: id<OperatorId>('operator_id').primaryKey(),
    name: text('name').notNull().unique('operators_name'),
    role: text('role').notNull(),
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
