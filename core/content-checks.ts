import type * as z from 'zod'
import type { ContentFault } from '#contract/content.ts'
import { inputErrorsOf } from '#contract/problem.ts'

/** JSON Pointer of members below one another (RFC 6901). */
export const pointerOf = (...names: readonly (string | number)[]): string =>
  names.map((name) => `/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

/** What a schema finds wrong with a document. */
export const faultsOfSchema = (error: z.ZodError): ContentFault[] =>
  inputErrorsOf(error, 'body').map(({ pointer, detail }) => ({ pointer, detail }))

/** A fault unless it holds. */
export const unless = (holds: boolean, pointer: string, detail: string): ContentFault[] =>
  holds ? [] : [{ pointer, detail }]

/** A member of a table by a name that somebody wrote: what every object has, such as `constructor`, is none. */
export const memberOf = <Value>(table: Readonly<Record<string, Value>>, name: string): Value | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined
