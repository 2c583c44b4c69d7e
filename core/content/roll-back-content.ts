import type { rollBackContent as route } from '#contract/content.ts'
import type { InputOf } from '#contract/route.ts'
import { writtenOf } from '#core/compile-content.ts'
import type { Context } from '#core/context.ts'
import { takenBack } from '#core/drafts.ts'
import type { OutcomeOf } from '#core/handler.ts'
import { principalName } from '#core/principal.ts'
import { publish } from '#core/publish.ts'
import type { Tx } from '#db/client.ts'
import { findVersion, updateDraft } from '#db/content.ts'
import { lockDraft } from './lock-draft.ts'
import { refused, unpublishable } from './refusals.ts'
import { versionOf } from './version.ts'

/**
 * Brings back what was live under a number, under the next one. The draft stays; what was to be published is cancelled, and is
 * the draft again where there is none. Refuses with `precondition_failed`, `not_found` for a number that was not published,
 * `nothing_to_publish` for what is live, and `content_invalid` for what is no longer valid.
 */
export const rollBackContent = async (
  tx: Tx,
  ctx: Context,
  { params: { kind }, body: { number, note } }: InputOf<typeof route>,
): Promise<OutcomeOf<typeof route>> => {
  const locked = await lockDraft(tx, ctx, kind)
  if (locked.kind === 'refused') return locked
  const former = await findVersion(tx, kind, number)
  if (!former) return refused('not_found')
  const author = principalName(ctx.principal)
  const document = writtenOf(former)
  const published = await publish(tx, ctx, { kind, document, author, note, rolledBackTo: number })
  if (published.outcome !== 'published') return unpublishable(published)
  const { version, events } = published
  const revision = await updateDraft(tx, kind, takenBack(locked.row, ctx.now))
  const detail = { number: version.number, rolledBackTo: number, cancelled: locked.row.publishAt !== null, revision }
  return {
    kind: 'applied',
    answer: { revision, version: versionOf(version) },
    events,
    audit: { action: 'content.roll-back', subject: `content:${kind}`, detail },
  }
}
