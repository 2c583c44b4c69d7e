import type { getDraft as route } from '#contract/content.ts'
import type { AnswerOf, InputOf } from '#contract/route.ts'
import type { Context } from '#core/context.ts'
import { textOfDraft } from '#core/drafts.ts'
import { findDraft } from '#db/content.ts'

/** The draft of a kind: what is live while nobody has changed it, an empty document before the first publish. */
export const getDraft = async (
  { db }: Context,
  { params: { kind } }: InputOf<typeof route>,
): Promise<AnswerOf<typeof route>> => {
  // The revision first: what is live can only be newer then, and a change on top of it is refused.
  const row = await findDraft(db, kind)
  return { kind, revision: row.revision, document: JSON.parse(await textOfDraft(db, row)) }
}
