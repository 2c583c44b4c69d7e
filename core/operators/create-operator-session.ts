import type { OperatorSession, createOperatorSession as route } from '#contract/operators.ts'
import { Fault } from '#contract/problem.ts'
import type { InputOf } from '#contract/route.ts'
import { storeApiKey } from '#core/api-keys.ts'
import { record } from '#core/audit.ts'
import type { Context } from '#core/context.ts'
import { type Limit, type Limiter, requireAllowance } from '#core/limiter.ts'
import { decrypt, type Secrets, sha256 } from '#core/secrets.ts'
import { findTotpStep } from '#core/totp.ts'
import { findOperatorBySecret, type OperatorRow, takeTotpStep } from '#db/operators.ts'

/** A working day. */
export const operatorSessionMs = 8 * 3_600_000
/**
 * Three codes of a million are good at a time. Whoever has the secret and guesses 288 times a day needs two years for an even
 * chance, and each guess is in the audit log; a person who mistypes has five tries.
 */
const limitPerSecret: Limit = { burst: 5, intervalMs: 300_000 }
/**
 * All attempts with secrets that nobody has, together: what strangers can add to the audit log is 8,640 rows a day. They have
 * an allowance of their own, so that no stranger can use up that of the operators.
 */
const limitOfStrangers: Limit = { burst: 10, intervalMs: 10_000 }

/** What signing in needs beside the request. */
export type OperatorSignIn = { readonly secrets: Secrets; readonly limiter: Limiter }

/**
 * Begins a session: a key with the operator's role that expires. A code is taken once, so of two calls with it one gets a key.
 *
 * @throws Fault `credential_invalid` for a wrong secret, a wrong or used code, and a disabled account alike; `too_many_requests`
 */
export const createOperatorSession = async (
  { secrets, limiter }: OperatorSignIn,
  ctx: Context,
  { body: { secret, code } }: InputOf<typeof route>,
): Promise<OperatorSession> => {
  const { db, now } = ctx
  const secretHash = sha256(secret)
  await requireAllowance(limiter, { key: `operator-sign-in:${secretHash}`, limit: limitPerSecret, now })
  const operator = await findOperatorBySecret(db, secretHash)
  if (!operator) await requireAllowance(limiter, { key: 'operator-sign-in', limit: limitOfStrangers, now })
  const session =
    operator && (await begin(ctx, operator, findTotpStep(totpSecretOf(secrets, operator), code, now.getTime())))
  if (session) return session
  await recordFailure(ctx, operator)
  throw new Fault('credential_invalid')
}

const totpSecretOf = (secrets: Secrets, { totpSecretEncrypted }: OperatorRow) =>
  Buffer.from(decrypt(secrets, 'totp', totpSecretEncrypted), 'base64url')

/** Undefined, and nothing stored, for a code that is wrong or was taken, and for an account that is disabled. */
const begin = async (
  { db, cell, requestId, now }: Context,
  seen: OperatorRow,
  totpStep: number | undefined,
): Promise<OperatorSession | undefined> => {
  if (totpStep === undefined) return undefined
  return db.transaction(async (tx) => {
    const operator = await takeTotpStep(tx, seen, totpStep)
    if (!operator) return undefined
    const { operatorId, name, role } = operator
    const expiresAt = new Date(now.getTime() + operatorSessionMs)
    const rights = { origins: [], scopes: [], role, operatorId }
    const { keyId, key } = await storeApiKey(tx, { kind: 'operator', name, ...rights, expiresAt, cell, now })
    const [actor, subject] = [`operator:${operatorId}`, `operator:${operatorId}`] as const
    await record(tx, { actor, cell, requestId, now, action: 'operator.sign-in', subject, detail: { keyId, role } })
    return { operator: { operatorId, name, role }, key, expiresAt: expiresAt.toISOString() }
  })
}

/** In a transaction of its own, which commits though the call fails. */
const recordFailure = ({ db, cell, requestId, now }: Context, operator: OperatorRow | undefined): Promise<void> =>
  db.transaction((tx) =>
    record(tx, {
      ...{ actor: 'unknown', cell, requestId, now },
      action: 'operator.sign-in-failed',
      subject: `operator:${operator?.operatorId ?? 'unknown'}`,
      detail: {},
    }),
  )
