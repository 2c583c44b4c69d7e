import type { endOperatorSession as route } from '#contract/operators.ts'
import { Fault } from '#contract/problem.ts'
import { type Context, operatorOf } from '#core/context.ts'
import type { OutcomeOf } from '#core/handler.ts'
import type { Tx } from '#db/client.ts'
import { revokeApiKey } from '#db/keys.ts'

/** Ends the session of the call. Refuses with `key_invalid` when it has ended, `not_found` for a key that no sign-in made. */
export const endOperatorSession = async (tx: Tx, ctx: Context): Promise<OutcomeOf<typeof route>> => {
  const { keyId, operatorId } = operatorOf(ctx)
  const detail = 'a key that no sign-in made has no session'
  if (operatorId === undefined) return { kind: 'refused', fault: new Fault('not_found', { detail }) }
  if (!(await revokeApiKey(tx, keyId, ctx.now))) return { kind: 'refused', fault: new Fault('key_invalid') }
  return {
    kind: 'applied',
    answer: { endedAt: ctx.now.toISOString() },
    events: [],
    audit: { action: 'operator.sign-out', subject: `operator:${operatorId}`, detail: { keyId } },
  }
}
