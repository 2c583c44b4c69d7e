import type { getVersion as route } from '#contract/content.ts'
import { Fault } from '#contract/problem.ts'
import type { AnswerOf, InputOf } from '#contract/route.ts'
import { writtenOf } from '#core/compile-content.ts'
import type { Context } from '#core/context.ts'
import { findVersion } from '#db/content.ts'
import { versionOf } from './version.ts'

/** A document as it was published. @throws Fault `not_found` for a number that was not */
export const getVersion = async (
  { db }: Context,
  { params: { kind, number } }: InputOf<typeof route>,
): Promise<AnswerOf<typeof route>> => {
  const row = await findVersion(db, kind, number)
  if (!row) throw new Fault('not_found')
  return { version: versionOf(row), document: JSON.parse(writtenOf(row)) }
}
