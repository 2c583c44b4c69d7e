import { randomBytes } from 'node:crypto'
import { type Cell, newId, type OperatorId } from '#contract/ids.ts'
import type { Role } from '#contract/rights.ts'
import { textSchema } from '#contract/scalars.ts'
import type { Tx } from '#db/client.ts'
import { revokeApiKeysOf } from '#db/keys.ts'
import { insertOperator, lockOperator, type OperatorRow, updateOperator } from '#db/operators.ts'
import type { Act, Audited } from './audit.ts'
import { encrypt, type Secrets, sha256 } from './secrets.ts'
import { enrolmentUri, newTotpSecret } from './totp.ts'

/** 192 bits: nobody guesses it, so a plain hash keeps it. */
const secretBytes = 24

const nameSchema = textSchema({ min: 1, max: 64 })

/** The account that is meant, by its name, and when. */
export type OnAccount = { readonly name: string; readonly now: Date }

/**
 * Makes an account. The secret and the authenticator's enrolment are in the answer and nowhere else.
 * @throws Error that says what is wrong with the name
 */
export const createOperator = async (
  tx: Tx,
  {
    secrets,
    name,
    role,
    cell,
    now,
  }: OnAccount & { readonly secrets: Secrets; readonly role: Role; readonly cell: Cell },
): Promise<Audited<{ operatorId: OperatorId; name: string; role: Role; secret: string; totp: string }>> => {
  if (!nameSchema.safeParse(name).success) throw new Error('a name is 1 to 64 printable characters')
  if (await lockOperator(tx, name)) throw new Error(`there is an operator ${name}`)
  const { secret, secretHash } = newSecret()
  const { totp, totpSecretEncrypted } = newTotp(secrets, name)
  const operatorId = newId('operator', cell, now.getTime())
  const account = { operatorId, name, role }
  const kept = { secretHash, totpSecretEncrypted, totpStep: 0, createdAt: now, disabledAt: null }
  await insertOperator(tx, { ...account, ...kept })
  return { answer: { ...account, secret, totp }, audit: actOn(account, 'operator.create', { role }) }
}

/** Ends an account and every session of it. @throws Error when there is no such account, or it was disabled before */
export const disableOperator = async (tx: Tx, on: OnAccount): Promise<Audited<{ name: string; disabled: true }>> => {
  const operator = await change(tx, on, { disabledAt: on.now })
  return { answer: { name: on.name, disabled: true }, audit: actOn(operator, 'operator.disable') }
}

/** Gives an account another role, and ends every session that has the former one. @throws Error as `disableOperator` */
export const setOperatorRole = async (
  tx: Tx,
  { role, ...on }: OnAccount & { readonly role: Role },
): Promise<Audited<{ name: string; role: Role }>> => {
  const before = await change(tx, on, { role })
  const audit = actOn(before, 'operator.set-role', { role, before: before.role })
  return { answer: { name: on.name, role }, audit }
}

/** A new enrolment for whoever lost the authenticator; ends every session. @throws Error as `disableOperator` */
export const resetOperatorTotp = async (
  tx: Tx,
  { secrets, ...on }: OnAccount & { readonly secrets: Secrets },
): Promise<Audited<{ name: string; totp: string }>> => {
  const { totp, totpSecretEncrypted } = newTotp(secrets, on.name)
  // Of the new secret no code was taken.
  const operator = await change(tx, on, { totpSecretEncrypted, totpStep: 0 })
  return { answer: { name: on.name, totp }, audit: actOn(operator, 'operator.reset-totp') }
}

/** A new secret for whoever lost theirs, or told it; ends every session. @throws Error as `disableOperator` */
export const resetOperatorSecret = async (
  tx: Tx,
  on: OnAccount,
): Promise<Audited<{ name: string; secret: string }>> => {
  const { secret, secretHash } = newSecret()
  const operator = await change(tx, on, { secretHash })
  return { answer: { name: on.name, secret }, audit: actOn(operator, 'operator.reset-secret') }
}

/**
 * Changes an account and then ends its sessions. The row is locked first: a sign-in holds that lock until its key is there, so
 * the key is seen and ended, or the sign-in sees the change. Answers the account as it was.
 */
const change = async (
  tx: Tx,
  { name, now }: OnAccount,
  changes: Parameters<typeof updateOperator>[2],
): Promise<OperatorRow> => {
  const operator = await lockOperator(tx, name)
  if (!operator) throw new Error(`there is no operator ${name}`)
  if (operator.disabledAt) throw new Error(`${name} was disabled at ${operator.disabledAt.toISOString()}`)
  await updateOperator(tx, operator.operatorId, changes)
  await revokeApiKeysOf(tx, operator.operatorId, now)
  return operator
}

const newSecret = () => {
  const secret = `os_${randomBytes(secretBytes).toString('base64url')}`
  return { secret, secretHash: sha256(secret) }
}

const newTotp = (secrets: Secrets, name: string) => {
  const bytes = newTotpSecret()
  return { totp: enrolmentUri(name, bytes), totpSecretEncrypted: encrypt(secrets, 'totp', bytes.toString('base64url')) }
}

const actOn = (
  { operatorId }: Pick<OperatorRow, 'operatorId'>,
  action: `operator.${string}`,
  detail: Act['detail'] = {},
): Act => ({ action, subject: `operator:${operatorId}`, detail })
