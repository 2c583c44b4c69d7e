import type { listLinks as route } from '#contract/links.ts'
import type { AnswerOf } from '#contract/route.ts'
import { type Context, playerOf } from '#core/context.ts'
import { listCredentials } from '#db/credentials.ts'
import { linkOf } from './link.ts'

/** What signs the caller in, the oldest first. An address whose password was not stored signs nobody in, and is not told. */
export const listLinks = async (ctx: Context): Promise<AnswerOf<typeof route>> => {
  const rows = await listCredentials(ctx.db, playerOf(ctx))
  return { links: rows.filter(({ isUsable }) => isUsable).map(linkOf) }
}
