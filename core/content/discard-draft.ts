import type { discardDraft as route } from '#contract/content.ts'
import type { InputOf } from '#contract/route.ts'
import type { Context } from '#core/context.ts'
import { noDraft } from '#core/drafts.ts'
import type { OutcomeOf } from '#core/handler.ts'
import type { Tx } from '#db/client.ts'
import { updateDraft } from '#db/content.ts'
import { lockDraft } from './lock-draft.ts'

/** Discards the draft: it is what is live from then on. Where there is none nothing changes. Refuses with `precondition_failed`. */
export const discardDraft = async (
  tx: Tx,
  ctx: Context,
  { params: { kind } }: InputOf<typeof route>,
): Promise<OutcomeOf<typeof route>> => {
  const locked = await lockDraft(tx, ctx, kind)
  if (locked.kind === 'refused') return locked
  const { row } = locked
  const revision = row.draft === null ? row.revision : await updateDraft(tx, kind, noDraft)
  return {
    kind: 'applied',
    answer: { kind, revision },
    events: [],
    audit: { action: 'content.discard', subject: `content:${kind}`, detail: { revision } },
  }
}
