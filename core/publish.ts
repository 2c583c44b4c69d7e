import type { ContentFault, ContentKind } from '#contract/content.ts'
import type { Db, Tx } from '#db/client.ts'
import { type ContentVersionRow, findLive, insertVersion } from '#db/content.ts'
import { listCurrencies } from '#db/wallet.ts'
import {
  type Compiled,
  compileContent,
  readWritten,
  type Surroundings,
  sameJson,
  writtenOf,
} from './compile-content.ts'
import type { NewEvent } from './write.ts'

/** A document that is to be published. `document` is JSON text as it was written. */
export type Written = { readonly kind: ContentKind; readonly document: string }

/** A document that is to be published, and by whom. */
export type Publish = Written & {
  readonly author: string
  readonly note: string
  readonly rolledBackTo: number | null
}

/** What stands in the way of a publish. */
export type Unpublishable =
  | { readonly outcome: 'invalid'; readonly faults: readonly ContentFault[] }
  /** It says what is live already. */
  | { readonly outcome: 'unchanged' }

export type Published =
  | Unpublishable
  | { readonly outcome: 'published'; readonly version: ContentVersionRow; readonly events: readonly NewEvent[] }

type Examined =
  | Unpublishable
  | { readonly outcome: 'ready'; readonly content: Compiled; readonly live: ContentVersionRow | undefined }

/** What documents are checked against now. */
const surroundingsOf = async (db: Db): Promise<Surroundings> => {
  const [flags, events] = [await findLive(db, 'flags'), await findLive(db, 'live-events')]
  const currencies = await listCurrencies(db)
  return {
    live: {
      flags: await readWritten('flags', flags && writtenOf(flags)),
      'live-events': await readWritten('live-events', events && writtenOf(events)),
    },
    currencies: new Set(currencies.map(({ code }) => code)),
  }
}

/**
 * For what was live before: an experiment that began or drew anew since is what the rollback is to undo, and units get the
 * variants back that they had.
 */
const withoutExperiments = async (db: Db): Promise<Surroundings> => {
  const { live, ...others } = await surroundingsOf(db)
  return { ...others, live: { ...live, flags: { ...live.flags, experiments: {} } } }
}

/** Everything that is wrong with a document, were it published now. */
export const faultsOf = async (db: Db, { kind, document }: Written): Promise<readonly ContentFault[]> => {
  const result = await compileContent(kind, document, await surroundingsOf(db))
  return 'faults' in result ? result.faults : []
}

/**
 * Whether a document could be published now. Nothing is written.
 * @param around what it is checked against; what is live and declared, if absent
 */
export const examine = async (
  db: Db,
  { kind, document }: Written,
  around: (db: Db) => Promise<Surroundings> = surroundingsOf,
): Promise<Examined> => {
  const live = await findLive(db, kind)
  if (live && sameJson(writtenOf(live), document)) return { outcome: 'unchanged' }
  const result = await compileContent(kind, document, await around(db))
  return 'faults' in result
    ? { outcome: 'invalid', faults: result.faults }
    : { outcome: 'ready', content: result.content, live }
}

/**
 * The one way in which a document becomes live: checked, compiled, stored under the next number, and told to the other cells
 * and to the world by the events, which the caller emits in the same transaction. The caller has locked the drafts, so what it
 * is checked against stays as it is, and of two publishes at once the second one is checked against the first.
 */
export const publish = async (
  tx: Tx,
  { now }: { readonly now: Date },
  { kind, document, author, note, rolledBackTo }: Publish,
): Promise<Published> => {
  const examined = await examine(tx, { kind, document }, rolledBackTo === null ? surroundingsOf : withoutExperiments)
  if (examined.outcome !== 'ready') return examined
  const { content, live } = examined
  const version: ContentVersionRow = {
    kind,
    number: (live?.number ?? 0) + 1,
    version: Math.max((live?.version ?? 0) + 1, now.getTime()),
    ...content,
    document,
    author,
    note,
    rolledBackTo,
    publishedAt: now,
  }
  await insertVersion(tx, version)
  return { outcome: 'published', version, events: eventsOf(version) }
}

const eventsOf = (row: ContentVersionRow): NewEvent[] => [
  {
    type: 'perigee.content.published.v1',
    aggregate: `content:${row.kind}`,
    version: row.version,
    data: { kind: row.kind, number: row.number, hash: row.hash, author: row.author, rolledBackTo: row.rolledBackTo },
    moved: [],
  },
  contentReplica(row),
]

/** What the other cells are told of a document. */
export const contentReplica = (row: ContentVersionRow): NewEvent => {
  const { document: _, version, publishedAt, ...content } = row
  return {
    type: 'perigee.replica.content.v1',
    aggregate: `content:${row.kind}`,
    version,
    data: { ...content, publishedAt: publishedAt.toISOString() },
    moved: [],
  }
}
