import { setImmediate as nextTurn } from 'node:timers/promises'
import type * as z from 'zod'
import type { ContentFault } from '#contract/content.ts'
import { isObject } from '#contract/evaluate/value.ts'
import { faultsMax, faultsOfSchema, pointerOf } from './content-checks.ts'

/** A schema of tables, each of which may be absent. */
type DocumentSchema = z.ZodObject<Record<string, z.ZodType<object>>>

type Entry = { readonly table: string; readonly key: string; readonly value: unknown }

/** Entries that are parsed before others have their turn of the loop; the largest flag takes some milliseconds. */
const entriesATurn = 10

/**
 * What a document says by its schema, with every default, or what is wrong with it. Entry by entry, for a schema goes on after
 * the first fault: those of a large document in which nothing is right would keep the loop for a quarter of a minute. The
 * search ends with `faultsMax`.
 *
 * @param entriesMax of each table; one that has more is not looked into
 */
export const parseContent = async <Schema extends DocumentSchema>(
  schema: Schema,
  entriesMax: Readonly<Record<string, number>>,
  written: unknown,
): Promise<{ readonly document: z.output<Schema> } | { readonly faults: ContentFault[] }> => {
  const { rest, entries, faults } = takeApart(schema, entriesMax, written)
  const shell = schema.safeParse(rest)
  if (!shell.success) return { faults: [...faults, ...faultsOfSchema(shell.error)] }
  const document: Record<string, object> = shell.data
  for (const [at, { table, key, value }] of entries.entries()) {
    if (faults.length >= faultsMax) break
    if (at % entriesATurn === 0) await nextTurn()
    const part = schema.safeParse({ [table]: { [key]: value } })
    if (part.success) Object.assign(document[table] ?? {}, part.data[table])
    else faults.push(...faultsOfSchema(part.error))
  }
  return faults.length > 0 ? { faults } : { document: shell.data }
}

/** The entries of a document's tables, and the document without them, of whose other members the first are enough. */
const takeApart = ({ shape }: DocumentSchema, entriesMax: Readonly<Record<string, number>>, written: unknown) => {
  const entries: Entry[] = []
  const faults: ContentFault[] = []
  if (!isObject(written)) return { rest: written, entries, faults }
  const rest: [string, unknown][] = []
  for (const [table, value] of Object.entries(written)) {
    if (!Object.hasOwn(shape, table) || !isObject(value)) {
      if (rest.length < faultsMax) rest.push([table, value])
      continue
    }
    const most = entriesMax[table] ?? 0
    if (Object.keys(value).length > most)
      faults.push({ pointer: pointerOf(table), detail: `more than ${most} entries` })
    else for (const [key, member] of Object.entries(value)) entries.push({ table, key, value: member })
  }
  return { rest: Object.fromEntries(rest), entries, faults }
}
