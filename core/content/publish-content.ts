import type { publishContent as route } from '#contract/content.ts'
import { Fault } from '#contract/problem.ts'
import type { InputOf } from '#contract/route.ts'
import type { Context } from '#core/context.ts'
import { noDraft } from '#core/drafts.ts'
import type { OutcomeOf } from '#core/handler.ts'
import { principalName } from '#core/principal.ts'
import { examine, publish } from '#core/publish.ts'
import type { Tx } from '#db/client.ts'
import { type ContentDraftRow, updateDraft } from '#db/content.ts'
import { lockDraft } from './lock-draft.ts'
import { refused, unpublishable } from './refusals.ts'
import { versionOf } from './version.ts'

/** Whoever plans further ahead has forgotten it by then. */
const aheadMaxMs = 366 * 24 * 3_600_000

type Input = InputOf<typeof route>

/**
 * Publishes the draft, or has it published at a moment; either way it is the draft no more. Refuses with `precondition_failed`,
 * `invalid_request` for a moment that has passed or is further away than a year, `publish_scheduled` while another one is,
 * `nothing_to_publish` for what is live already, and `content_invalid`.
 */
export const publishContent = async (tx: Tx, ctx: Context, input: Input): Promise<OutcomeOf<typeof route>> => {
  const { params, body } = input
  const at = body.publishAt === undefined ? undefined : new Date(body.publishAt)
  const aheadMs = at ? at.getTime() - ctx.now.getTime() : undefined
  if (aheadMs !== undefined && (aheadMs <= 0 || aheadMs > aheadMaxMs)) {
    const errors = [{ in: 'body', pointer: '/publishAt', detail: 'must be in the future, within a year' }] as const
    return { kind: 'refused', fault: new Fault('invalid_request', { errors }) }
  }
  const locked = await lockDraft(tx, ctx, params.kind)
  if (locked.kind === 'refused') return locked
  const { publishAt, draft } = locked.row
  if (publishAt) {
    const extras = { publishAt: publishAt.toISOString() }
    return { kind: 'refused', fault: new Fault('publish_scheduled', { extras }) }
  }
  if (draft === null) return refused('nothing_to_publish')
  return at
    ? schedule(tx, ctx, { kind: params.kind, document: draft, note: body.note, at })
    : publishNow(tx, ctx, { kind: params.kind, document: draft, note: body.note })
}

type Draft = { readonly kind: ContentDraftRow['kind']; readonly document: string; readonly note: string }

const publishNow = async (tx: Tx, ctx: Context, draft: Draft): Promise<OutcomeOf<typeof route>> => {
  const { kind } = draft
  const published = await publish(tx, ctx, { ...draft, author: principalName(ctx.principal), rolledBackTo: null })
  if (published.outcome !== 'published') return unpublishable(published)
  const { version, events } = published
  const revision = await updateDraft(tx, kind, noDraft)
  return {
    kind: 'applied',
    answer: { revision, version: versionOf(version), scheduled: null },
    events,
    audit: { action: 'content.publish', subject: `content:${kind}`, detail: { number: version.number, revision } },
  }
}

const schedule = async (
  tx: Tx,
  ctx: Context,
  { kind, document, note, at }: Draft & { readonly at: Date },
): Promise<OutcomeOf<typeof route>> => {
  const examined = await examine(tx, { kind, document })
  if (examined.outcome !== 'ready') return unpublishable(examined)
  const author = principalName(ctx.principal)
  const publishAt = at.toISOString()
  const revision = await updateDraft(tx, kind, {
    ...noDraft,
    publishAt: at,
    scheduled: document,
    scheduledBy: author,
    scheduledNote: note,
  })
  return {
    kind: 'applied',
    answer: { revision, version: null, scheduled: { publishAt, author, note } },
    events: [],
    audit: { action: 'content.schedule', subject: `content:${kind}`, detail: { publishAt, revision } },
  }
}
