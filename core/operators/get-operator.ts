import type { getOperator as route } from '#contract/operators.ts'
import { Fault } from '#contract/problem.ts'
import type { AnswerOf } from '#contract/route.ts'
import { type Context, operatorOf } from '#core/context.ts'
import { findApiKey } from '#db/keys.ts'

/** Who the caller is. @throws Fault `key_invalid` when the key is gone */
export const getOperator = async (ctx: Context): Promise<AnswerOf<typeof route>> => {
  const { keyId, role, operatorId } = operatorOf(ctx)
  const key = await findApiKey(ctx.db, keyId)
  if (!key) throw new Fault('key_invalid')
  return {
    operatorId: operatorId ?? null,
    name: key.name,
    role,
    keyId,
    expiresAt: key.expiresAt?.toISOString() ?? null,
  }
}
