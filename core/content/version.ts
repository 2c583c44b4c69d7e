import type { getContent } from '#contract/content.ts'
import type { AnswerOf } from '#contract/route.ts'
import type { ContentDraftRow, ContentVersionHead } from '#db/content.ts'

type State = AnswerOf<typeof getContent>

/** A version as operators see it. */
export const versionOf = (row: ContentVersionHead): NonNullable<State['live']> => {
  const { kind, number, hash, author, note, rolledBackTo, publishedAt } = row
  return { kind, number, hash, author, note, rolledBackTo, publishedAt: publishedAt.toISOString() }
}

/** What is to be published, and when; null where nothing is. */
export const scheduledOf = ({ publishAt, scheduledBy, scheduledNote }: ContentDraftRow): State['scheduled'] =>
  publishAt && scheduledBy !== null && scheduledNote !== null
    ? { publishAt: publishAt.toISOString(), author: scheduledBy, note: scheduledNote }
    : null
