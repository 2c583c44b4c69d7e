import { randomBytes, randomUUID } from 'node:crypto'
import { parseNamedKeys } from '#contract/edge-request.ts'
import { newId, type OperatorId } from '#contract/ids.ts'
import type { Role } from '#contract/rights.ts'
import { createSecrets, encrypt, type Secrets, sha256 } from '#core/secrets.ts'
import { newTotpSecret, totpCode, totpStepOf } from '#core/totp.ts'
import { apiKeys } from '#db/keys.ts'
import { operators } from '#db/operators.ts'
import { cell, type World } from './harness.ts'

/** An account, and a key of a session of it. */
export type SpareOperator = {
  readonly operatorId: OperatorId
  readonly name: string
  readonly secret: string
  /** The code of the step that is so many after now's. */
  code(steps?: number): string
  readonly key: string
}

/** What a core of the world encrypts with. */
export const secretsOf = ({ secrets }: World): Secrets => createSecrets(parseNamedKeys(secrets.masterKeys))

/** Makes them all at once, as if commands and sign-ins had; their codes are not taken yet. */
export const makeSpareOperators = async (
  world: World,
  { count, role = 'admin' }: { readonly count: number; readonly role?: Role },
): Promise<SpareOperator[]> => {
  const { database, clock } = world
  const { db } = database
  const secrets = secretsOf(world)
  const now = new Date(clock())
  const made = Array.from({ length: count }, () => {
    const totp = newTotpSecret()
    return {
      operatorId: newId('operator', cell, now.getTime()),
      name: `Operator ${randomUUID()}`,
      secret: `os_${randomBytes(24).toString('base64url')}`,
      totp,
      code: (steps = 0) => totpCode(totp, totpStepOf(clock()) + steps),
      key: `ok_${randomBytes(24).toString('base64url')}`,
    }
  })
  await db.insert(operators).values(
    made.map(({ operatorId, name, secret, totp }) => ({
      ...{ operatorId, name, role, createdAt: now },
      secretHash: sha256(secret),
      totpSecretEncrypted: encrypt(secrets, 'totp', totp.toString('base64url')),
    })),
  )
  await db.insert(apiKeys).values(
    made.map(({ operatorId, name, key }) => ({
      ...{ kind: 'operator' as const, operatorId, name, role, createdAt: now, version: now.getTime() },
      keyId: newId('key', cell, now.getTime()),
      ...{ prefix: key.slice(0, 9), hash: sha256(key), origins: [], scopes: [] },
      expiresAt: new Date(now.getTime() + 3_600_000),
    })),
  )
  return made
}
