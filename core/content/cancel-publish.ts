import type { cancelPublish as route } from '#contract/content.ts'
import type { InputOf } from '#contract/route.ts'
import type { Context } from '#core/context.ts'
import { takenBack } from '#core/drafts.ts'
import type { OutcomeOf } from '#core/handler.ts'
import type { Tx } from '#db/client.ts'
import { updateDraft } from '#db/content.ts'
import { lockDraft } from './lock-draft.ts'
import { refused } from './refusals.ts'

/**
 * Cancels what was to be published: it is the draft again, unless somebody has begun another one. Refuses with
 * `precondition_failed`, and `not_found` where nothing was scheduled.
 */
export const cancelPublish = async (
  tx: Tx,
  ctx: Context,
  { params: { kind } }: InputOf<typeof route>,
): Promise<OutcomeOf<typeof route>> => {
  const locked = await lockDraft(tx, ctx, kind)
  if (locked.kind === 'refused') return locked
  const { row } = locked
  if (!row.publishAt) return refused('not_found')
  const revision = await updateDraft(tx, kind, takenBack(row, ctx.now))
  const detail = { publishAt: row.publishAt.toISOString(), keptAsDraft: row.draft === null, revision }
  return {
    kind: 'applied',
    answer: { kind, revision },
    events: [],
    audit: { action: 'content.cancel', subject: `content:${kind}`, detail },
  }
}
