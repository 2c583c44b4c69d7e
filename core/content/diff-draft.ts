import { listedMax, type diffDraft as route } from '#contract/content.ts'
import type { AnswerOf, InputOf } from '#contract/route.ts'
import { writtenOf } from '#core/compile-content.ts'
import type { Context } from '#core/context.ts'
import { differencesOf } from '#core/differences.ts'
import { faultsOf } from '#core/publish.ts'
import { findDraft, findLive } from '#db/content.ts'

/** What a publish of the draft would change, and what would have it refused; nothing where nobody has changed it. */
export const diffDraft = async (
  { db }: Context,
  { params: { kind } }: InputOf<typeof route>,
): Promise<AnswerOf<typeof route>> => {
  // The revision first: what it is compared with can only be newer then, and a publish on top of it is refused.
  const { revision, draft } = await findDraft(db, kind)
  const live = await findLive(db, kind)
  const none = { kind, revision, changes: [], changesTotal: 0, faults: [], faultsTotal: 0 }
  if (draft === null) return none
  const changes = differencesOf(live ? JSON.parse(writtenOf(live)) : {}, JSON.parse(draft))
  const faults = await faultsOf(db, { kind, document: draft })
  return {
    kind,
    revision,
    changes: changes.slice(0, listedMax),
    changesTotal: changes.length,
    faults: faults.slice(0, listedMax),
    faultsTotal: faults.length,
  }
}
