import { randomUUID } from 'node:crypto'
import type { ContentKind } from '#contract/content.ts'
import type { Cell } from '#contract/ids.ts'
import type { Db, Tx } from '#db/client.ts'
import { type ContentDraftRow, findDraft, listDueKinds, lockDrafts, updateDraft } from '#db/content.ts'
import { isLockTimeout } from '#db/errors.ts'
import type { Log } from '#infra/log.ts'
import { type Act, record } from './audit.ts'
import { noSchedule, takenBack } from './drafts.ts'
import { createLoop, type Loop } from './loop.ts'
import { publish, type Unpublishable } from './publish.ts'
import { emit } from './write.ts'

/** How late a scheduled publish may be; edges take longer than that to hear of it. */
const pauseMs = 1_000

export type Publisher = Loop & {
  /** Publishes what is due. Answers with the kinds of which something became live. */
  runOnce(): Promise<ContentKind[]>
}

export type PublisherOptions = {
  readonly db: Db
  readonly cell: Cell
  readonly log: Log
  readonly clock: () => number
}

/**
 * Publishes what was scheduled, in the control cell, each once however many run. What has become invalid meanwhile is the draft
 * again, unless somebody has begun another one, and stands in the log and the audit log in the name of whoever scheduled it.
 */
export const createPublisher = (options: PublisherOptions): Publisher => {
  const { db, log, clock } = options
  const runOnce = async () => {
    const published: ContentKind[] = []
    for (const kind of await listDueKinds(db, new Date(clock())))
      if (await publishDue(options, kind)) published.push(kind)
    return published
  }
  const loop = createLoop(async () => {
    await runOnce().catch((error: unknown) => log.error('publishing what is scheduled failed', error))
    return pauseMs
  })
  return { ...loop, runOnce }
}

/** False where another has published it, or is about to, or it was cancelled, or it can no longer be. One kind stops no other. */
const publishDue = async ({ db, cell, log, clock }: PublisherOptions, kind: ContentKind): Promise<boolean> => {
  try {
    const refused = await db.transaction(async (tx) => {
      await lockDrafts(tx)
      const row = await findDraft(tx, kind)
      const now = new Date(clock())
      return isDue(row, now) ? publishRow(tx, { cell, now }, row) : 'not due'
    })
    if (refused === 'not due') return false
    if (refused?.outcome === 'invalid')
      log.error('a scheduled publish was refused', new Error(`${refused.faults.length} faults`), {
        kind,
        first: refused.faults[0]?.pointer,
      })
    return refused === undefined
  } catch (error) {
    // Whoever has the lock is publishing, or the next turn will.
    if (!isLockTimeout(error)) log.error('a scheduled publish failed', error, { kind })
    return false
  }
}

type DueRow = ContentDraftRow & {
  readonly scheduled: string
  readonly scheduledBy: string
  readonly scheduledNote: string
}

const isDue = (row: ContentDraftRow, now: Date): row is DueRow => row.publishAt !== null && row.publishAt <= now

/** Undefined where it was published. */
const publishRow = async (
  tx: Tx,
  { cell, now }: { readonly cell: Cell; readonly now: Date },
  row: DueRow,
): Promise<Unpublishable | undefined> => {
  const { kind, scheduled: document, scheduledBy: author, scheduledNote: note } = row
  const published = await publish(tx, { now }, { kind, document, author, note, rolledBackTo: null })
  const isPublished = published.outcome === 'published'
  const revision = await updateDraft(tx, kind, isPublished ? noSchedule : takenBack(row, now))
  const subject = `content:${kind}` as const
  const act: Act = isPublished
    ? { action: 'content.publish', subject, detail: { number: published.version.number, scheduled: true, revision } }
    : {
        action: 'content.publish-refused',
        subject,
        detail: {
          why: published.outcome,
          keptAsDraft: row.draft === null,
          faultsTotal: published.outcome === 'invalid' ? published.faults.length : 0,
          revision,
        },
      }
  await record(tx, { actor: author, cell, requestId: randomUUID(), now, ...act })
  if (!isPublished) return published
  await emit(tx, { cell, now, traceparent: '' }, published.events)
  return undefined
}
