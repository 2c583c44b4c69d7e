import type { Db } from '#db/client.ts'
import { type ContentDraftChange, type ContentDraftRow, findLive } from '#db/content.ts'
import { writtenOf } from './compile-content.ts'

/** A document that somebody wrote, as the draft. `text` is JSON text of an object, at most `documentBytesMax`. */
export const draftOf = (text: string, by: string, now: Date): ContentDraftChange => ({
  draft: text,
  draftUpdatedAt: now,
  draftUpdatedBy: by,
})

/** From then on the draft is what is live. */
export const noDraft: ContentDraftChange = { draft: null, draftUpdatedAt: null, draftUpdatedBy: null }

/** Nothing is to be published any more. */
export const noSchedule: ContentDraftChange = {
  publishAt: null,
  scheduled: null,
  scheduledBy: null,
  scheduledNote: null,
}

/** What was to be published is not, and is the draft again, unless somebody has begun another one. */
export const takenBack = ({ draft, scheduled, scheduledBy }: ContentDraftRow, now: Date): ContentDraftChange => ({
  ...noSchedule,
  ...(draft === null && scheduled !== null && scheduledBy !== null ? draftOf(scheduled, scheduledBy, now) : {}),
})

/** The draft as JSON text: what somebody wrote, or what is live, or an empty document before the first publish. */
export const textOfDraft = async (db: Db, { kind, draft }: ContentDraftRow): Promise<string> => {
  if (draft !== null) return draft
  const live = await findLive(db, kind)
  return live ? writtenOf(live) : '{}'
}
