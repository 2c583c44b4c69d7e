import type * as z from 'zod'
import { Fault } from '#contract/problem.ts'
import { sha256 } from './secrets.ts'

/** Enough of a hash to tell filters apart; a cursor is no secret and proves nothing. */
const markLength = 12

/** What a list is narrowed to. */
type Filter = Readonly<Record<string, string | undefined>>

/** Where a list goes on after `position`, for whoever asks with the same filter. */
export const encodeCursor = (filter: Filter, position: string): string =>
  Buffer.from(markOf(filter) + position).toString('base64url')

/**
 * The position of a cursor; undefined where there is no cursor.
 * @throws Fault `invalid_request` for a cursor of another filter, or of nothing
 */
export const decodeCursor = <Schema extends z.ZodType>(
  filter: Filter,
  cursor: string | undefined,
  schema: Schema,
): z.output<Schema> | undefined => {
  if (cursor === undefined) return undefined
  const text = Buffer.from(cursor, 'base64url').toString('utf8')
  const position = schema.safeParse(text.slice(markLength))
  if (!position.success || !text.startsWith(markOf(filter)))
    throw new Fault('invalid_request', {
      errors: [{ in: 'query', pointer: '/cursor', detail: 'not a cursor of this list with this filter' }],
    })
  return position.data
}

const markOf = (filter: Filter) => sha256(JSON.stringify(Object.entries(filter).sort())).slice(0, markLength)
