import type { ContentKind } from '#contract/content.ts'
import { Fault } from '#contract/problem.ts'
import type { Context } from '#core/context.ts'
import type { Tx } from '#db/client.ts'
import { type ContentDraftRow, findDraft, lockDrafts } from '#db/content.ts'

/**
 * The row of a kind, which stays as it is until the transaction ends; or the refusal of a change that was made with another
 * revision in mind: `precondition_failed`, with the revision that there is.
 */
export const lockDraft = async (
  tx: Tx,
  { ifMatch }: Pick<Context, 'ifMatch'>,
  kind: ContentKind,
): Promise<
  { readonly kind: 'locked'; readonly row: ContentDraftRow } | { readonly kind: 'refused'; readonly fault: Fault }
> => {
  await lockDrafts(tx)
  // Read behind the lock: what the last holder has committed is seen.
  const row = await findDraft(tx, kind)
  if (ifMatch !== 'any' && ifMatch !== row.revision)
    return { kind: 'refused', fault: new Fault('precondition_failed', { extras: { revision: row.revision } }) }
  return { kind: 'locked', row }
}
