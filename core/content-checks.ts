import type * as z from 'zod'
import type { ContentFault } from '#contract/content.ts'
import { inputErrorsOf } from '#contract/problem.ts'

/** JSON Pointer of members below one another (RFC 6901). */
export const pointerOf = (...names: readonly (string | number)[]): string =>
  names.map((name) => `/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

/**
 * Faults with which the search for more of them ends: more than anybody mends in one go, and to find each takes some
 * microseconds. A document without a good entry has a million.
 */
export const faultsMax = 2_000

/** What a schema finds wrong with a document, at most `faultsMax` things. */
export const faultsOfSchema = (error: z.ZodError): ContentFault[] =>
  inputErrorsOf(error, 'body', faultsMax).map(({ pointer, detail }) => ({ pointer, detail }))

/** What a check finds wrong with the entries of a table. It ends with the one that brings the faults to `faultsMax`. */
export const faultsOfEach = <Value>(
  table: Readonly<Record<string, Value>>,
  check: (key: string, value: Value) => readonly ContentFault[],
): ContentFault[] => {
  const faults: ContentFault[] = []
  for (const [key, value] of Object.entries(table)) {
    if (faults.length >= faultsMax) break
    for (const fault of check(key, value)) faults.push(fault)
  }
  return faults
}

/** A fault unless it holds. */
export const unless = (holds: boolean, pointer: string, detail: string): ContentFault[] =>
  holds ? [] : [{ pointer, detail }]

/** A member of a table by a name that somebody wrote: what every object has, such as `constructor`, is none. */
export const memberOf = <Value>(table: Readonly<Record<string, Value>>, name: string): Value | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined
