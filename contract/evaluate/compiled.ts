import type { ContentKind } from '#contract/content.ts'
import { type FlagsDocument, noFlags } from './flags-document.ts'
import { type LiveEventsDocument, noLiveEvents } from './live-events-document.ts'

/** What is evaluated of each kind. */
export type Documents = { readonly flags: FlagsDocument; readonly 'live-events': LiveEventsDocument }

/** What is evaluated where nothing was published. */
export const noDocuments: Documents = { flags: noFlags, 'live-events': noLiveEvents }

/** How documents are written for whoever evaluates them. Raised when an older reader would evaluate one wrongly. */
const format = 1

/** A document that was checked, as the text that edges hold: members by their names, so that the same document is the same text. */
export const writeCompiled = (document: Documents[ContentKind]): string =>
  JSON.stringify({ format, document: sorted(document) })

/**
 * The document of a compiled text, which was checked before it was written.
 * @throws Error for a text of another format: whoever reads it keeps what they have
 */
export const readCompiled = <Kind extends ContentKind>(text: string): Documents[Kind] => {
  const compiled = JSON.parse(text) as { readonly format: unknown; readonly document: Documents[Kind] }
  if (compiled.format !== format)
    throw new Error(`a document of format ${String(compiled.format)}, this reads ${format}`)
  return compiled.document
}

/** Whatever it holds, with the members of each object by their names. No member is called `__proto__`: no document has one. */
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const members = value as Readonly<Record<string, unknown>>
  const inOrder: Record<string, unknown> = {}
  // Lists of entries, sorted and put together again, took twice as long.
  for (const name of Object.keys(members).sort()) {
    const member = members[name]
    if (member !== undefined) inOrder[name] = sorted(member)
  }
  return inOrder
}
