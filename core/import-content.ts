import { randomUUID } from 'node:crypto'
import { type ContentFault, type ContentKind, contentKinds, documentBytesMax } from '#contract/content.ts'
import type { Cell } from '#contract/ids.ts'
import type { Db, Tx } from '#db/client.ts'
import { findDraft, lockDrafts, updateDraft } from '#db/content.ts'
import { record } from './audit.ts'
import { sameJson } from './compile-content.ts'
import type { ContentFile } from './content-file.ts'
import { draftOf, noDraft, textOfDraft } from './drafts.ts'
import { publish } from './publish.ts'
import { emit } from './write.ts'

/** Who imports: somebody at a machine that has the database. */
const author = 'command'

type At = { readonly cell: Cell; readonly now: Date }

/** What became of a document of the file. `faults` is not empty for one that could not be published. */
export type Imported = {
  readonly kind: ContentKind
  readonly outcome: 'drafted' | 'published' | 'unchanged' | 'refused'
  readonly number?: number
  readonly faults: readonly ContentFault[]
}

/** Why nothing was imported, for whoever typed the command. */
export class ImportError extends Error {}

/**
 * Puts the documents of a file into the drafts, and with a note publishes them: all of them or none, in one transaction. Flags
 * go before the live events that use them; where that is refused, live events go first, for flags that drop what they have
 * used. Answers what became of each; where one is refused nothing was written.
 * @throws ImportError where somebody's draft or scheduled publish would be lost, or a document is too large
 */
export const importContent = async (
  db: Db,
  at: At,
  { documents, note }: { readonly documents: ContentFile['documents']; readonly note: string | undefined },
): Promise<Imported[]> => {
  if (note === undefined) return db.transaction((tx) => draftAll(tx, at, documents))
  const first = await attempt(db, at, { documents, note, order: contentKinds })
  if (!isRefused(first)) return first
  const second = await attempt(db, at, { documents, note, order: contentKinds.toReversed() })
  return isRefused(second) ? first : second
}

/** Whether nothing was written, because a document could not be published. */
export const isRefused = (imported: readonly Imported[]): boolean =>
  imported.some(({ outcome }) => outcome === 'refused')

type Attempt = {
  readonly documents: ContentFile['documents']
  readonly note: string
  readonly order: readonly ContentKind[]
}

/** Publishes in an order, or takes everything back. */
const attempt = async (db: Db, at: At, { documents, note, order }: Attempt): Promise<Imported[]> => {
  const imported: Imported[] = []
  try {
    await db.transaction(async (tx) => {
      await draftAll(tx, at, documents)
      for (const kind of order) if (documents[kind]) imported.push(await publishOne(tx, at, { kind, note }))
      if (isRefused(imported)) throw new TakenBack()
    })
  } catch (error) {
    if (!(error instanceof TakenBack)) throw error
  }
  return imported
}

class TakenBack extends Error {}

const draftAll = async (tx: Tx, at: At, documents: ContentFile['documents']): Promise<Imported[]> => {
  await lockDrafts(tx)
  const imported: Imported[] = []
  for (const kind of contentKinds) {
    const document = documents[kind]
    if (document) imported.push(await draftOne(tx, at, { kind, text: JSON.stringify(document) }))
  }
  return imported
}

const draftOne = async (
  tx: Tx,
  { cell, now }: At,
  { kind, text }: { readonly kind: ContentKind; readonly text: string },
): Promise<Imported> => {
  if (Buffer.byteLength(text) > documentBytesMax) throw new ImportError(`${kind}: more than ${documentBytesMax} bytes`)
  const row = await findDraft(tx, kind)
  if (sameJson(await textOfDraft(tx, row), text)) return { kind, outcome: 'unchanged', faults: [] }
  if (row.draft !== null)
    throw new ImportError(`${kind}: there is a draft by ${row.draftUpdatedBy}: publish or discard it first`)
  if (row.publishAt)
    throw new ImportError(`${kind}: a publish is scheduled for ${row.publishAt.toISOString()}: cancel it first`)
  const revision = await updateDraft(tx, kind, draftOf(text, author, now))
  await record(tx, {
    ...{ actor: author, cell, now, requestId: randomUUID() },
    ...{ action: 'content.draft', subject: `content:${kind}`, detail: { revision } },
  })
  return { kind, outcome: 'drafted', faults: [] }
}

const publishOne = async (
  tx: Tx,
  at: At,
  { kind, note }: { readonly kind: ContentKind; readonly note: string },
): Promise<Imported> => {
  const { cell, now } = at
  const { draft, publishAt } = await findDraft(tx, kind)
  if (draft === null) return { kind, outcome: 'unchanged', faults: [] }
  if (publishAt)
    throw new ImportError(`${kind}: a publish is scheduled for ${publishAt.toISOString()}: cancel it first`)
  const published = await publish(tx, at, { kind, document: draft, author, note, rolledBackTo: null })
  if (published.outcome === 'invalid') return { kind, outcome: 'refused', faults: published.faults }
  const revision = await updateDraft(tx, kind, noDraft)
  if (published.outcome === 'unchanged') return { kind, outcome: 'unchanged', faults: [] }
  const { number } = published.version
  await emit(tx, { cell, now, traceparent: '' }, published.events)
  await record(tx, {
    ...{ actor: author, cell, now, requestId: randomUUID() },
    ...{ action: 'content.publish', subject: `content:${kind}`, detail: { number, revision } },
  })
  return { kind, outcome: 'published', number, faults: [] }
}
