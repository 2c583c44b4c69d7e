import * as z from 'zod'
import { nextCursor, pageQuery } from './page.ts'
import { defineRoute, direct, forwarded } from './route.ts'
import { isStorableObject, textSchema, timeSchema } from './scalars.ts'

/** What operators author in the control cell and every edge answers from: one document a kind. */
export const contentKinds = ['flags', 'live-events'] as const

export type ContentKind = (typeof contentKinds)[number]

/** A document as JSON text at the most, bytes: a thousand flags of twenty rules are two million, and an isolate holds it parsed. */
export const documentBytesMax = 4 * 1_024 * 1_024
/** Beside the document there is a note and an envelope. */
const draftBodyBytesMax = documentBytesMax + 65_536
/** Faults that a refused publish lists, and changes that a difference lists; it tells how many there are in all. */
export const listedMax = 100

/** Why a document cannot be published: an RFC 6901 JSON Pointer into it, and what is wrong there. */
export const contentFaultSchema = z.object({ pointer: z.string(), detail: z.string() }).meta({ id: 'ContentFault' })
export type ContentFault = z.infer<typeof contentFaultSchema>

const kindSchema = z.enum(contentKinds)
const params = z.object({ kind: kindSchema })
const path = '/v1/admin/content/{kind}'
const noteSchema = textSchema({ min: 1, max: 500 })
/**
 * As it was written, valid or not: a draft may be unfinished. Its strings can be stored and its numbers are exact; what could
 * not come back as it was sent is refused.
 */
export const contentDocumentSchema = z
  .custom<Record<string, unknown>>(isStorableObject, 'not a JSON object that can be stored exactly')
  .meta({
    id: 'ContentDocument',
    description: 'A document of its kind; see docs/live-ops.md.',
    type: 'object',
    additionalProperties: true,
  })

/** Grows with every change of a kind's draft, schedule or live document; sent back as `If-Match: "<revision>"`. */
const revision = z.int().nonnegative()

/** Of a version, as far as they can be counted: one a second would reach it in the year 2094. */
export const versionNumberMax = 2_147_483_647

const versionSchema = z
  .object({
    kind: kindSchema,
    /** 1, 2, 3 …; what is published stays what it is. */
    number: z.int().positive(),
    /** SHA-256 of what edges evaluate, hex: two documents that mean the same have the same. */
    hash: z.string(),
    publishedAt: timeSchema,
    /** `operator:opr_…`, `key:key_…` for a key of a machine, or `command`. */
    author: z.string(),
    note: z.string(),
    /** The number whose document this one brought back; null for one that was written. */
    rolledBackTo: z.int().positive().nullable(),
  })
  .meta({ id: 'ContentVersion' })

const scheduledSchema = z
  .object({ publishAt: timeSchema, author: z.string(), note: z.string() })
  .meta({ id: 'ScheduledPublish' })

const stateSchema = z
  .object({
    kind: kindSchema,
    revision,
    /** What edges answer from; null before the first publish. */
    live: versionSchema.nullable(),
    /** Who changed the draft last, and when; null while it is what is live. */
    draft: z.object({ updatedAt: timeSchema, updatedBy: z.string() }).nullable(),
    scheduled: scheduledSchema.nullable(),
  })
  .meta({ id: 'ContentState' })

const revisedSchema = z.object({ kind: kindSchema, revision }).meta({ id: 'ContentRevision' })
const publishedSchema = z.object({ revision, version: versionSchema }).meta({ id: 'ContentPublished' })

export const getContent = defineRoute({
  method: 'GET',
  path,
  summary: 'Read what is live, drafted and scheduled of a kind of content',
  access: 'operator',
  role: 'viewer',
  cell: 'control',
  delivery: direct,
  params,
  status: 200,
  answer: stateSchema,
  errors: [],
})

export const getDraft = defineRoute({
  method: 'GET',
  path: `${path}/draft`,
  summary: 'Read the draft of a kind of content',
  description: 'While nobody has changed it, the draft is what is live.',
  access: 'operator',
  role: 'viewer',
  cell: 'control',
  delivery: direct,
  params,
  status: 200,
  answer: z.object({ kind: kindSchema, revision, document: contentDocumentSchema }).meta({ id: 'ContentDraft' }),
  errors: [],
})

export const putDraft = defineRoute({
  method: 'PUT',
  path: `${path}/draft`,
  summary: 'Replace the draft',
  description: 'It may be unfinished: what is wrong with it is told by its difference, and refused at publish.',
  access: 'operator',
  role: 'editor',
  cell: 'control',
  delivery: forwarded({ idempotencyKey: 'optional' }),
  precondition: 'if-match',
  params,
  body: z.strictObject({ document: contentDocumentSchema }).meta({ id: 'ContentDraftReplacement' }),
  bodyBytesMax: draftBodyBytesMax,
  status: 200,
  answer: revisedSchema,
  errors: [],
})

export const patchDraft = defineRoute({
  method: 'PATCH',
  path: `${path}/draft`,
  summary: 'Change a part of the draft',
  description:
    'A JSON Merge Patch (RFC 7396): members that are named change, null takes one away, lists are replaced as a whole.',
  access: 'operator',
  role: 'editor',
  cell: 'control',
  delivery: forwarded({ idempotencyKey: 'optional' }),
  precondition: 'if-match',
  params,
  body: z.strictObject({ patch: contentDocumentSchema }).meta({ id: 'ContentDraftPatch' }),
  bodyBytesMax: draftBodyBytesMax,
  status: 200,
  answer: revisedSchema,
  errors: ['content_invalid'],
})

export const discardDraft = defineRoute({
  method: 'DELETE',
  path: `${path}/draft`,
  summary: 'Discard the draft',
  description: 'From then on it is what is live. Where nothing was drafted, nothing changes.',
  access: 'operator',
  role: 'editor',
  cell: 'control',
  delivery: forwarded({ idempotencyKey: 'optional' }),
  precondition: 'if-match',
  params,
  status: 200,
  answer: revisedSchema,
  errors: [],
})

const changeSchema = z
  .object({
    /** Into the draft, or for what was removed into what is live. */
    pointer: z.string(),
    change: z.enum(['added', 'removed', 'changed']),
    /** Absent for what was added. */
    before: z.unknown().optional(),
    /** Absent for what was removed. */
    after: z.unknown().optional(),
  })
  .meta({ id: 'ContentChange' })
export type ContentChange = z.infer<typeof changeSchema>

export const diffDraft = defineRoute({
  method: 'GET',
  path: `${path}/draft/diff`,
  summary: 'Compare the draft with what is live',
  description: `What a publish would change, and what would have it refused; of either the first ${listedMax}.`,
  access: 'operator',
  role: 'viewer',
  cell: 'control',
  delivery: direct,
  params,
  status: 200,
  answer: z
    .object({
      kind: kindSchema,
      revision,
      changes: z.array(changeSchema).max(listedMax),
      changesTotal: z.int().nonnegative(),
      faults: z.array(contentFaultSchema).max(listedMax),
      faultsTotal: z.int().nonnegative(),
    })
    .meta({ id: 'ContentDifference' }),
  errors: [],
})

export const publishContent = defineRoute({
  method: 'POST',
  path: `${path}/publish`,
  summary: 'Publish the draft, now or at a moment',
  description:
    'Edges answer from it within ten seconds. With `publishAt` the draft of now is kept until then, checked once more and published; until it is, or the plan is cancelled, nothing else is published but a rollback.',
  access: 'operator',
  role: 'publisher',
  cell: 'control',
  delivery: forwarded({ idempotencyKey: 'optional' }),
  precondition: 'if-match',
  params,
  body: z
    .strictObject({
      /** What changes, and why, for whoever reads the history. */
      note: noteSchema,
      /** In the future, within a year. */
      publishAt: timeSchema.optional(),
    })
    .meta({ id: 'ContentPublish' }),
  status: 200,
  answer: z
    .object({
      revision,
      /** Null where it is scheduled. */
      version: versionSchema.nullable(),
      scheduled: scheduledSchema.nullable(),
    })
    .meta({ id: 'ContentPublishAnswer' }),
  errors: ['content_invalid', 'nothing_to_publish', 'publish_scheduled'],
})

export const cancelPublish = defineRoute({
  method: 'DELETE',
  path: `${path}/scheduled`,
  summary: 'Cancel a scheduled publish',
  description: 'What was to be published becomes the draft again, unless somebody has begun another one.',
  access: 'operator',
  role: 'publisher',
  cell: 'control',
  delivery: forwarded({ idempotencyKey: 'optional' }),
  precondition: 'if-match',
  params,
  status: 200,
  answer: revisedSchema,
  errors: ['not_found'],
})

export const rollBackContent = defineRoute({
  method: 'POST',
  path: `${path}/rollback`,
  summary: 'Bring back a document that was live before',
  description:
    'It is published under a new number, as fast as any. A scheduled publish is cancelled; the draft stays. What is refused at publish is refused here too, but for what experiments have begun since: they go back to where they stood.',
  access: 'operator',
  role: 'publisher',
  cell: 'control',
  delivery: forwarded({ idempotencyKey: 'optional' }),
  precondition: 'if-match',
  params,
  body: z
    .strictObject({
      /** The number of the document that is to come back. */
      number: z.int().positive().max(versionNumberMax),
      note: noteSchema,
    })
    .meta({ id: 'ContentRollback' }),
  status: 200,
  answer: publishedSchema,
  errors: ['not_found', 'content_invalid', 'nothing_to_publish'],
})

export const listVersions = defineRoute({
  method: 'GET',
  path: `${path}/versions`,
  summary: 'List what was published of a kind, the latest first',
  access: 'operator',
  role: 'viewer',
  cell: 'control',
  delivery: direct,
  params,
  query: z.object(pageQuery),
  status: 200,
  answer: z.object({ versions: z.array(versionSchema), nextCursor }).meta({ id: 'ContentHistory' }),
  errors: [],
})

export const getVersion = defineRoute({
  method: 'GET',
  path: `${path}/versions/{number}`,
  summary: 'Read a document that was published',
  access: 'operator',
  role: 'viewer',
  cell: 'control',
  delivery: direct,
  params: z.object({ kind: kindSchema, number: z.coerce.number<number>().int().positive().max(versionNumberMax) }),
  status: 200,
  answer: z.object({ version: versionSchema, document: contentDocumentSchema }).meta({ id: 'PublishedContent' }),
  errors: ['not_found'],
})

/** Which document of a kind is live, for edges: a higher version is the newer one, and the hash names its text. */
export const contentPointerSchema = z.object({
  number: z.int().positive(),
  version: z.int().nonnegative(),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
})
export type ContentPointer = z.infer<typeof contentPointerSchema>

/** Of each kind the live one; a kind that was never published is missing. */
export const contentPointersSchema = z.partialRecord(kindSchema, contentPointerSchema)
export type ContentPointers = z.infer<typeof contentPointersSchema>
