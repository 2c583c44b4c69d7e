import type { getContent as route } from '#contract/content.ts'
import type { AnswerOf, InputOf } from '#contract/route.ts'
import type { Context } from '#core/context.ts'
import { findDraft, findLiveHead } from '#db/content.ts'
import { scheduledOf, versionOf } from './version.ts'

/** What is live, drafted and scheduled of a kind. */
export const getContent = async (
  { db }: Context,
  { params: { kind } }: InputOf<typeof route>,
): Promise<AnswerOf<typeof route>> => {
  // The revision first: what is read after it can only be newer, and a change on top of that is refused.
  const row = await findDraft(db, kind)
  const live = await findLiveHead(db, kind)
  const { revision, draftUpdatedAt, draftUpdatedBy } = row
  return {
    kind,
    revision,
    live: live ? versionOf(live) : null,
    draft:
      draftUpdatedAt && draftUpdatedBy !== null
        ? { updatedAt: draftUpdatedAt.toISOString(), updatedBy: draftUpdatedBy }
        : null,
    scheduled: scheduledOf(row),
  }
}
