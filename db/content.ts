import { and, asc, desc, eq, lt, lte, sql } from 'drizzle-orm'
import { bigint, check, index, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import type { ContentKind } from '#contract/content.ts'
import type { Db, Tx } from './client.ts'
import { moment } from './columns.ts'

/** What is being made of each kind of content, in the control cell: the draft, and what is to be published when. A row a kind. */
export const contentDrafts = pgTable(
  'content_drafts',
  {
    kind: text('kind').$type<ContentKind>().primaryKey(),
    /** Grows with every change of this row and every publish: who changes something says which one they have seen. */
    revision: bigint('revision', { mode: 'number' }).notNull(),
    /** JSON text as it was written; null while the draft is what is live. */
    draft: text('draft'),
    draftUpdatedAt: moment('draft_updated_at'),
    /** `operator:opr_…`, `key:key_…` for a key of a machine, or `command`. */
    draftUpdatedBy: text('draft_updated_by'),
    /** When the scheduled document is published; null where none is. The three after it go with it. */
    publishAt: moment('publish_at'),
    scheduled: text('scheduled'),
    scheduledBy: text('scheduled_by'),
    scheduledNote: text('scheduled_note'),
  },
  (table) => [
    check('content_drafts_draft', sql`octet_length(${table.draft}) <= 4194304`),
    check('content_drafts_scheduled', sql`octet_length(${table.scheduled}) <= 4194304`),
    check('content_drafts_scheduled_note', sql`char_length(${table.scheduledNote}) <= 500`),
    check(
      'content_drafts_schedule_whole',
      sql`num_nulls(${table.publishAt}, ${table.scheduled}, ${table.scheduledBy}, ${table.scheduledNote}) in (0, 4)`,
    ),
  ],
)

/**
 * What was published, each under the next number, and never changed. The greatest number of a kind is what is live. The control
 * cell keeps all of them; another one the live one alone, as edges evaluate it.
 */
export const contentVersions = pgTable(
  'content_versions',
  {
    kind: text('kind').$type<ContentKind>().notNull(),
    number: integer('number').notNull(),
    /** Grows with the number, and goes on behind a restored backup: `greatest(version + 1, now in ms)`. */
    version: bigint('version', { mode: 'number' }).notNull(),
    /** SHA-256 of `compiled`, hex. */
    hash: text('hash').notNull(),
    /** JSON text as it was written; null in a cell that follows. */
    document: text('document'),
    /** JSON text as edges evaluate it. */
    compiled: text('compiled').notNull(),
    author: text('author').notNull(),
    note: text('note').notNull(),
    rolledBackTo: integer('rolled_back_to'),
    publishedAt: moment('published_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.kind, table.number] }),
    index('content_versions_hash').on(table.hash),
    check('content_versions_number', sql`${table.number} >= 1`),
    check('content_versions_hash', sql`${table.hash} ~ '^[0-9a-f]{64}$'`),
    check('content_versions_document', sql`octet_length(${table.document}) <= 4194304`),
    check('content_versions_compiled', sql`octet_length(${table.compiled}) <= 8388608`),
    check('content_versions_note', sql`char_length(${table.note}) <= 500`),
  ],
)

export type ContentDraftRow = typeof contentDrafts.$inferSelect
export type ContentVersionRow = typeof contentVersions.$inferSelect

/** What becomes of a draft; what is absent stays. */
export type ContentDraftChange = Partial<Omit<ContentDraftRow, 'kind' | 'revision'>>

/** What the history shows of a version: all but its texts. */
export type ContentVersionHead = Omit<ContentVersionRow, 'document' | 'compiled'>

const head = {
  kind: contentVersions.kind,
  number: contentVersions.number,
  version: contentVersions.version,
  hash: contentVersions.hash,
  author: contentVersions.author,
  note: contentVersions.note,
  rolledBackTo: contentVersions.rolledBackTo,
  publishedAt: contentVersions.publishedAt,
}

/** Whoever changes a draft waits behind a publish, which checks a document of megabytes, rather than being told to come again. */
const lockMaxMs = 3_000

/**
 * Locks the drafts of all kinds until the transaction ends, in the order of the kinds: one kind is checked against what is
 * live of another, so publishes of two kinds wait for each other.
 */
export const lockDrafts = async (tx: Tx): Promise<void> => {
  await tx.execute(sql.raw(`set local lock_timeout = ${lockMaxMs}`))
  await tx.select({ kind: contentDrafts.kind }).from(contentDrafts).orderBy(asc(contentDrafts.kind)).for('update')
}

/** By the primary key. Every kind has its row from the migration that brought it. */
export const findDraft = async (db: Db, kind: ContentKind): Promise<ContentDraftRow> => {
  const [row] = await db.select().from(contentDrafts).where(eq(contentDrafts.kind, kind))
  if (!row) throw new Error(`there is no row for drafts of ${kind}`)
  return row
}

/** Changes the row of a kind, which is locked, and answers with the revision that it reached. */
export const updateDraft = async (tx: Tx, kind: ContentKind, change: ContentDraftChange): Promise<number> => {
  const [row] = await tx
    .update(contentDrafts)
    .set({ ...change, revision: sql`${contentDrafts.revision} + 1` })
    .where(eq(contentDrafts.kind, kind))
    .returning({ revision: contentDrafts.revision })
  if (!row) throw new Error(`there is no row for drafts of ${kind}`)
  return row.revision
}

/** Kinds whose scheduled publish is due. Reads the whole table, which has a row a kind. */
export const listDueKinds = async (db: Db, now: Date): Promise<ContentKind[]> => {
  const rows = await db
    .select({ kind: contentDrafts.kind })
    .from(contentDrafts)
    .where(lte(contentDrafts.publishAt, now))
    .orderBy(asc(contentDrafts.publishAt))
  return rows.map(({ kind }) => kind)
}

/** What is live of a kind, by the primary key; undefined before the first publish. */
export const findLive = async (db: Db, kind: ContentKind): Promise<ContentVersionRow | undefined> => {
  const [row] = await db
    .select()
    .from(contentVersions)
    .where(eq(contentVersions.kind, kind))
    .orderBy(desc(contentVersions.number))
    .limit(1)
  return row
}

/** What is live of a kind, without the texts, by the primary key; undefined before the first publish. */
export const findLiveHead = async (db: Db, kind: ContentKind): Promise<ContentVersionHead | undefined> => {
  const [row] = await listVersions(db, { kind, before: undefined, limit: 1 })
  return row
}

/**
 * What is live of each kind, without the texts, by the kinds: a look into the primary key for each, however many were
 * published.
 */
export const listLive = async (db: Db): Promise<ContentVersionHead[]> => {
  const greatest = db
    .select(head)
    .from(contentVersions)
    .where(eq(contentVersions.kind, contentDrafts.kind))
    .orderBy(desc(contentVersions.number))
    .limit(1)
    .as('greatest')
  const rows = await db
    .select({ greatest: { ...greatest._.selectedFields } })
    .from(contentDrafts)
    .crossJoinLateral(greatest)
    .orderBy(asc(contentDrafts.kind))
  return rows.map((row) => row.greatest)
}

/** By the primary key; undefined for a number that was not published. */
export const findVersion = async (
  db: Db,
  kind: ContentKind,
  number: number,
): Promise<ContentVersionRow | undefined> => {
  const [row] = await db
    .select()
    .from(contentVersions)
    .where(and(eq(contentVersions.kind, kind), eq(contentVersions.number, number)))
  return row
}

/** What was published of a kind, the latest first, at most `limit`, from below `before` on; by the primary key. */
export const listVersions = (
  db: Db,
  { kind, before, limit }: { readonly kind: ContentKind; readonly before: number | undefined; readonly limit: number },
): Promise<ContentVersionHead[]> =>
  db
    .select(head)
    .from(contentVersions)
    .where(and(eq(contentVersions.kind, kind), before === undefined ? undefined : lt(contentVersions.number, before)))
    .orderBy(desc(contentVersions.number))
    .limit(limit)

/** What edges evaluate under this hash, by the index on it; undefined where nothing published has it. */
export const findCompiled = async (db: Db, hash: string): Promise<string | undefined> => {
  const [row] = await db
    .select({ compiled: contentVersions.compiled })
    .from(contentVersions)
    .where(eq(contentVersions.hash, hash))
    .limit(1)
  return row?.compiled
}

export const insertVersion = async (tx: Tx, row: ContentVersionRow): Promise<void> => {
  await tx.insert(contentVersions).values(row)
}

/**
 * What the control cell has published: kept if it is newer than what is known, and what is older goes. It goes by the version,
 * not by the number, which a control cell that came back from a backup uses again. Told twice it changes nothing; two that are
 * told at once wait for each other, so that the newer one stays.
 */
export const followVersion = (db: Db, row: ContentVersionRow): Promise<void> =>
  db.transaction(async (tx) => {
    const ofKind = eq(contentVersions.kind, row.kind)
    await tx
      .select({ kind: contentDrafts.kind })
      .from(contentDrafts)
      .where(eq(contentDrafts.kind, row.kind))
      .for('update')
    await tx.delete(contentVersions).where(and(ofKind, lt(contentVersions.version, row.version)))
    const [asNew] = await tx.select({ version: contentVersions.version }).from(contentVersions).where(ofKind).limit(1)
    if (!asNew) await tx.insert(contentVersions).values(row)
  })
