import * as z from 'zod'

/** Entries of a page where the caller names no number, and the most that one can ask for. */
export const pageLimitDefault = 20
export const pageLimitMax = 100

/** Where a list goes on: the `nextCursor` of the page before. Opaque, and good for the same filter only. */
export const cursorSchema = z
  .string()
  .max(512)
  .regex(/^[\w-]+$/, 'not a cursor')

/** What the query of every list takes, beside its own filter. */
export const pageQuery = {
  cursor: cursorSchema.optional(),
  limit: z.coerce.number<number>().int().min(1).max(pageLimitMax).default(pageLimitDefault),
}

/** What the answer of every list ends with; absent where nothing more is known. */
export const nextCursor = cursorSchema.optional()
