import * as z from 'zod'
import { type listVersions as route, versionNumberMax } from '#contract/content.ts'
import type { AnswerOf, InputOf } from '#contract/route.ts'
import type { Context } from '#core/context.ts'
import { decodeCursor, encodeCursor } from '#core/page.ts'
import { listVersions as listRows } from '#db/content.ts'
import { versionOf } from './version.ts'

/** What a cursor holds: the number that a page ended with. */
const positionSchema = z
  .string()
  .regex(/^[1-9]\d{0,9}$/)
  .transform(Number)
  .refine((number) => number <= versionNumberMax)

/** A page of what was published of a kind, the latest first. @throws Fault `invalid_request` for a cursor of another kind */
export const listVersions = async (
  { db }: Context,
  { params: { kind }, query: { cursor, limit } }: InputOf<typeof route>,
): Promise<AnswerOf<typeof route>> => {
  const before = decodeCursor({ kind }, cursor, positionSchema)
  // One more than is shown tells whether there is a next page.
  const rows = await listRows(db, { kind, before, limit: limit + 1 })
  const shown = rows.slice(0, limit)
  const last = rows.length > limit ? shown.at(-1) : undefined
  return {
    versions: shown.map(versionOf),
    ...(last ? { nextCursor: encodeCursor({ kind }, String(last.number)) } : {}),
  }
}
