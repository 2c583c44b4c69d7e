import * as z from 'zod'
import { contentDocumentSchema, contentKinds, documentBytesMax } from '#contract/content.ts'
import { parseJson } from '#contract/input.ts'
import { Fault } from '#contract/problem.ts'
import type { Db } from '#db/client.ts'
import { findLive } from '#db/content.ts'
import { writtenOf } from './compile-content.ts'
import { faultsOfSchema } from './content-checks.ts'

/** Documents of a deployment as a file, to be looked after beside code or carried to another deployment. */
const contentFileSchema = z.strictObject({
  /** Raised when an older reader would take a file for something else. */
  format: z.literal(1),
  /** Of each kind the one that was live; a kind that was never published is missing. */
  documents: z.strictObject({
    flags: contentDocumentSchema.optional(),
    'live-events': contentDocumentSchema.optional(),
  }),
})
export type ContentFile = z.infer<typeof contentFileSchema>

/** What is live of all kinds, as it was written. */
export const exportContent = async (db: Db): Promise<ContentFile> => {
  const documents: { -readonly [Kind in keyof ContentFile['documents']]: ContentFile['documents'][Kind] } = {}
  for (const kind of contentKinds) {
    const live = await findLive(db, kind)
    if (live) documents[kind] = JSON.parse(writtenOf(live))
  }
  return { format: 1, documents }
}

/** A file holds a document of each kind. */
const fileBytesMax = contentKinds.length * documentBytesMax + 65_536

/** What is wrong with a file, line by line, for whoever gave it to a command. */
export class ContentFileError extends Error {}

/** A file as it was read, in UTF-8. @throws ContentFileError that tells of everything that is wrong with it */
export const parseContentFile = (bytes: Uint8Array): ContentFile => {
  const result = contentFileSchema.safeParse(jsonOf(bytes))
  if (result.success) return result.data
  const lines = faultsOfSchema(result.error).map(({ pointer, detail }) => `${pointer || '/'}: ${detail}`)
  throw new ContentFileError(lines.join('\n'))
}

/** With the bounds of a body: no deeper, and as JSON as that. */
const jsonOf = (bytes: Uint8Array): unknown => {
  try {
    return parseJson(bytes, 'application/json', fileBytesMax)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    throw new ContentFileError(error.errors[0]?.detail ?? error.message)
  }
}
