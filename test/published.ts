import type { ContentKind } from '#contract/content.ts'
import { publish } from '#core/publish.ts'
import { emit } from '#core/write.ts'
import { type ContentVersionRow, lockDrafts } from '#db/content.ts'
import { cell, type World } from './harness.ts'

/** Publishes a document in the world's cell, as an operator's publish does. @throws Error with what is wrong with it */
export const publishDocument = (
  { database, clock }: Pick<World, 'database' | 'clock'>,
  kind: ContentKind,
  document: unknown,
): Promise<ContentVersionRow> =>
  database.db.transaction(async (tx) => {
    await lockDrafts(tx)
    const now = new Date(clock())
    const published = await publish(
      tx,
      { cell, now },
      { kind, document: JSON.stringify(document), author: 'command', note: 'test', rolledBackTo: null },
    )
    if (published.outcome !== 'published') throw new Error(JSON.stringify(published))
    await emit(tx, { cell, now, traceparent: '' }, published.events)
    return published.version
  })
