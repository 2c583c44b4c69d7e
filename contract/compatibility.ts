import type * as z from 'zod'
import { compareApi } from './compatibility/api.ts'
import type { Break, Pair } from './compatibility/breaks.ts'
import { pointerTo } from './compatibility/cases.ts'
import { apiDocumentSchema, eventDocumentSchema } from './compatibility/documents.ts'
import { compareEvents } from './compatibility/events.ts'

/**
 * What a current document breaks for those who rely on the released one; empty where they can go on as they are. What the gate
 * cannot judge, such as a keyword that it does not know, is a break as well.
 *
 * @throws Error for a document that contradicts itself: a reference to nothing, alternatives or problems that cannot be told
 * apart
 */
type FindBreaks = (documents: Pair<unknown>) => Break[]

const judge =
  <Document>(schema: z.ZodType<Document>, compare: (pair: Pair<Document>) => Break[]): FindBreaks =>
  (documents) => {
    const [released, current] = [schema.safeParse(documents.released), schema.safeParse(documents.current)]
    if (!released.success || !current.success)
      return [...unknownIn('the released document', released.error), ...unknownIn('the document', current.error)]
    const breaks = compare({ released: released.data, current: current.data })
    // What several operations share is found by each of them.
    return [...new Map(breaks.map((one) => [`${one.pointer} ${one.what}`, one])).values()]
  }

/**
 * The gate of each published document, by the name of its file.
 * @see docs/decisions/0010-published-documents-keep-their-word.md
 */
export const findBreaks = {
  /** For those who call. */
  'openapi.json': judge(apiDocumentSchema, compareApi),
  /** For those who consume. */
  'events.json': judge(eventDocumentSchema, compareEvents),
}

const unknownIn = (document: string, error: z.ZodError | undefined): Break[] =>
  (error?.issues ?? []).map((issue) => {
    const what = issue.code === 'unrecognized_keys' ? `\`${issue.keys.join('`, `')}\`` : issue.message
    return {
      pointer: pointerTo('#', ...issue.path.map(String)),
      what: `${document} says what the gate does not know (${what}): teach contract/compatibility what a change of it breaks`,
    }
  })

/** Breaks as lines for a person, with what to do about them. */
export const describeBreaks = (file: keyof typeof findBreaks, breaks: readonly Break[]): string =>
  [
    `contract/${file} breaks what the last release promised. Take this back, and put what is new beside what was there: another member, event type or route.`,
    ...breaks.map(({ pointer, what }) => `  ${pointer}: ${what}`),
  ].join('\n')
