import type { Subject } from '#contract/evaluate/attribute.ts'
import { type Context, playerOf } from '#core/context.ts'

/**
 * The player of a request, as rules see them: what they say of themselves, and what is known without being told. As long as
 * nothing else is said they are told apart by their id.
 */
export const subjectOf = (ctx: Context, context: Subject['context']): Subject => ({
  context: { targetingKey: playerOf(ctx), ...context },
  known: {
    'player.id': playerOf(ctx),
    'edge.country': ctx.place.country,
    'edge.continent': ctx.place.continent,
  },
  now: ctx.now.getTime(),
})
