import { setImmediate as nextTurn } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { type ContentFault, type ContentKind, documentBytesMax } from '#contract/content.ts'
import { type Documents, noDocuments, readCompiled, writeCompiled } from '#contract/evaluate/compiled.ts'
import { entriesMax, type FlagsDocument, flagsDocumentSchema } from '#contract/evaluate/flags-document.ts'
import {
  eventsMax,
  type LiveEventsDocument,
  liveEventsDocumentSchema,
} from '#contract/evaluate/live-events-document.ts'
import type { ContentVersionRow } from '#db/content.ts'
import { checkFlags } from './check-flags.ts'
import { checkLiveEvents } from './check-live-events.ts'
import { faultsMax } from './content-checks.ts'
import { parseContent } from './parse-content.ts'
import { sha256 } from './secrets.ts'

/** What a document is checked against: what is live of each kind, as it was written, and what is declared. */
export type Surroundings = { readonly live: Documents; readonly currencies: ReadonlySet<string> }

export type Compiled = { readonly compiled: string; readonly hash: string }

/**
 * Checks a document as it was written, and writes what edges evaluate of it: with every default, without what is for people
 * alone or not in use. The same input gives the same text, and so the same hash.
 *
 * The largest documents take a third of a second; between its steps others have their turn of the loop.
 */
export const compileContent = async (
  kind: ContentKind,
  text: string,
  surroundings: Surroundings,
): Promise<{ readonly content: Compiled } | { readonly faults: ContentFault[] }> => {
  if (Buffer.byteLength(text) > documentBytesMax)
    return { faults: [{ pointer: '', detail: `more than ${documentBytesMax} bytes` }] }
  const checked =
    kind === 'flags' ? await flagsOf(JSON.parse(text), surroundings) : await eventsOf(JSON.parse(text), surroundings)
  if ('faults' in checked) return { faults: checked.faults.slice(0, faultsMax) }
  await nextTurn()
  const compiled = writeCompiled(checked.document)
  return { content: { compiled, hash: sha256(compiled) } }
}

type Checked<Document> = { readonly document: Document } | { readonly faults: ContentFault[] }

const flagsOf = async (written: unknown, { live }: Surroundings): Promise<Checked<FlagsDocument>> => {
  const parsed = await parseContent(flagsDocumentSchema, entriesMax, written)
  if ('faults' in parsed) return parsed
  await nextTurn()
  const faults = checkFlags(parsed.document, live)
  return faults.length > 0 ? { faults } : { document: leanFlags(parsed.document) }
}

/** Without descriptions, and without experiments that decide nothing. */
const leanFlags = ({ attributes, audiences, flags, experiments }: FlagsDocument): FlagsDocument => {
  const decides = ({ state, winner }: FlagsDocument['experiments'][string]) =>
    state === 'running' || (state === 'concluded' && winner !== undefined)
  return {
    attributes: mapped(attributes, undescribed),
    audiences: mapped(audiences, undescribed),
    flags: mapped(flags, (flag) => ({ ...undescribed(flag), rules: flag.rules.map(undescribed) })),
    experiments: mapped(
      Object.fromEntries(Object.entries(experiments).filter(([, experiment]) => decides(experiment))),
      undescribed,
    ),
  }
}

const eventsOf = async (written: unknown, { live, currencies }: Surroundings): Promise<Checked<LiveEventsDocument>> => {
  const parsed = await parseContent(liveEventsDocumentSchema, { events: eventsMax }, written)
  if ('faults' in parsed) return parsed
  const faults = checkLiveEvents(parsed.document, live, currencies)
  return faults.length > 0 ? { faults } : { document: { events: mapped(parsed.document.events, undescribed) } }
}

const mapped = <Value, Result>(
  table: Readonly<Record<string, Value>>,
  map: (value: Value) => Result,
): Record<string, Result> => Object.fromEntries(Object.entries(table).map(([key, value]) => [key, map(value)]))

/** Without what is for people who read the document. */
const undescribed = <Value extends { readonly description?: string | undefined }>(value: Value) => {
  const { description: _, ...rest } = value
  return rest
}

/**
 * A published document as it was written, JSON text. A cell that followed and has become the control cell has what edges
 * evaluate, and begins from that.
 */
export const writtenOf = ({ document, compiled }: Pick<ContentVersionRow, 'document' | 'compiled'>): string =>
  document ?? JSON.stringify(readCompiled(compiled))

/** A published document, which has passed its schema then, in a turn of the loop of its own; nothing where none is. */
export const readWritten = async <Kind extends ContentKind>(
  kind: Kind,
  text: string | undefined,
): Promise<Documents[Kind]> => {
  if (text === undefined) return noDocuments[kind]
  await nextTurn()
  const schema = kind === 'flags' ? flagsDocumentSchema : liveEventsDocumentSchema
  return schema.parse(JSON.parse(text)) as Documents[Kind]
}

/** Whether two JSON texts say the same, in whatever order their members stand. */
export const sameJson = (a: string, b: string): boolean => a === b || isDeepStrictEqual(JSON.parse(a), JSON.parse(b))
