import type { ContentFault, ContentKind } from '#contract/content.ts'
import type { Cell } from '#contract/ids.ts'
import type { Db, Tx } from '#db/client.ts'
import { type ContentVersionRow, findLive, insertVersion } from '#db/content.ts'
import { listCurrencies } from '#db/wallet.ts'
import { compileContent, readWritten, type Surroundings } from './compile-content.ts'
import type { NewEvent } from './write.ts'

/** A document that is to be published, and by whom. */
export type Publish = {
  readonly kind: ContentKind
  /** JSON text as it was written. */
  readonly document: string
  readonly author: string
  readonly note: string
  readonly rolledBackTo: number | null
}

export type Published =
  | { readonly outcome: 'published'; readonly version: ContentVersionRow; readonly events: readonly NewEvent[] }
  | { readonly outcome: 'invalid'; readonly faults: readonly ContentFault[] }
  /** It means what is live already. */
  | { readonly outcome: 'unchanged' }

/** What documents are checked against now. */
export const surroundingsOf = async (db: Db): Promise<Surroundings> => {
  const [flags, events] = await Promise.all([findLive(db, 'flags'), findLive(db, 'live-events')])
  const currencies = await listCurrencies(db)
  return {
    live: {
      flags: readWritten('flags', flags?.document ?? undefined),
      'live-events': readWritten('live-events', events?.document ?? undefined),
    },
    currencies: new Set(currencies.map(({ code }) => code)),
  }
}

/**
 * The one way in which a document becomes live: checked, compiled, stored under the next number, and told to the other cells
 * and to the world by the events, which the caller emits in the same transaction. The drafts are locked, so what it is checked
 * against stays as it is.
 */
export const publish = async (
  tx: Tx,
  { now }: { readonly cell: Cell; readonly now: Date },
  { kind, document, author, note, rolledBackTo }: Publish,
): Promise<Published> => {
  const result = compileContent(kind, document, await surroundingsOf(tx))
  if ('faults' in result) return { outcome: 'invalid', faults: result.faults }
  const { content } = result
  const live = await findLive(tx, kind)
  if (live?.hash === content.hash && live.document === document) return { outcome: 'unchanged' }
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
