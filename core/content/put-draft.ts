import { documentBytesMax, type putDraft as route } from '#contract/content.ts'
import { Fault } from '#contract/problem.ts'
import type { InputOf } from '#contract/route.ts'
import type { Context } from '#core/context.ts'
import { draftOf } from '#core/drafts.ts'
import type { OutcomeOf } from '#core/handler.ts'
import { principalName } from '#core/principal.ts'
import type { Tx } from '#db/client.ts'
import { updateDraft } from '#db/content.ts'
import { lockDraft } from './lock-draft.ts'

/**
 * Replaces the draft, whether it could be published or not. Refuses with `precondition_failed`, and with `invalid_request` for
 * a document that is too large.
 */
export const putDraft = async (
  tx: Tx,
  ctx: Context,
  { params: { kind }, body: { document } }: InputOf<typeof route>,
): Promise<OutcomeOf<typeof route>> => {
  const text = JSON.stringify(document)
  if (Buffer.byteLength(text) > documentBytesMax) {
    const errors = [{ in: 'body', pointer: '/document', detail: `more than ${documentBytesMax} bytes` }] as const
    return { kind: 'refused', fault: new Fault('invalid_request', { errors }) }
  }
  const locked = await lockDraft(tx, ctx, kind)
  if (locked.kind === 'refused') return locked
  const revision = await updateDraft(tx, kind, draftOf(text, principalName(ctx.principal), ctx.now))
  return {
    kind: 'applied',
    answer: { kind, revision },
    events: [],
    audit: { action: 'content.draft', subject: `content:${kind}`, detail: { revision } },
  }
}
