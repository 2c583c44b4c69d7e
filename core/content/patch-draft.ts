import { documentBytesMax, type patchDraft as route } from '#contract/content.ts'
import { isObject } from '#contract/evaluate/value.ts'
import type { InputOf } from '#contract/route.ts'
import type { Context } from '#core/context.ts'
import { draftOf, textOfDraft } from '#core/drafts.ts'
import type { OutcomeOf } from '#core/handler.ts'
import { principalName } from '#core/principal.ts'
import type { Tx } from '#db/client.ts'
import { updateDraft } from '#db/content.ts'
import { lockDraft } from './lock-draft.ts'
import { invalid } from './refusals.ts'

/**
 * Changes a part of the draft. Refuses with `precondition_failed`, and with `content_invalid` for what has become too large
 * to be a draft.
 */
export const patchDraft = async (
  tx: Tx,
  ctx: Context,
  { params: { kind }, body: { patch } }: InputOf<typeof route>,
): Promise<OutcomeOf<typeof route>> => {
  const locked = await lockDraft(tx, ctx, kind)
  if (locked.kind === 'refused') return locked
  const text = JSON.stringify(merged(JSON.parse(await textOfDraft(tx, locked.row)), patch))
  if (Buffer.byteLength(text) > documentBytesMax)
    return invalid([{ pointer: '', detail: `more than ${documentBytesMax} bytes` }])
  const revision = await updateDraft(tx, kind, draftOf(text, principalName(ctx.principal), ctx.now))
  return {
    kind: 'applied',
    answer: { kind, revision },
    events: [],
    audit: { action: 'content.draft', subject: `content:${kind}`, detail: { revision } },
  }
}

/**
 * A JSON Merge Patch. It goes no deeper than the deeper one of the two, so a draft that was patched is as shallow as its bodies.
 * @see RFC 7396 section 2
 */
const merged = (target: unknown, patch: unknown): unknown => {
  if (!isObject(patch)) return patch
  const members = new Map(isObject(target) ? Object.entries(target) : [])
  for (const [name, value] of Object.entries(patch))
    if (value === null) members.delete(name)
    else members.set(name, merged(members.get(name), value))
  return Object.fromEntries(members)
}
