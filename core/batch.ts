import type { PlayerId } from '#contract/ids.ts'
import type { InputOf, SplitRoute } from '#contract/route.ts'
import { failedItemText, refusedItemText } from '#contract/split.ts'
import type { SetWork } from './combine.ts'
import type { Command, Written } from './command.ts'
import type { Context } from './context.ts'
import { faultOf } from './fault.ts'
import { type Handler, required, written } from './handler.ts'
import { sha256 } from './secrets.ts'

/** One item of a batch: whose it is, and what is to be done in a set. */
export type ItemWork = { readonly playerId: PlayerId; readonly work: SetWork }

/**
 * A batch: each item is a write of its own, done in sets with whatever else arrives, and answered as applied or refused. The
 * verb answers with an item for each of the request's, in their order, and touches nothing.
 *
 * The key itself is claimed first, for the request as a whole: another request under it is refused before any item is
 * touched. A retry finds the answers of the items that have one, and does those that have none. An item whose write failed
 * is refused without being claimed; when all of them failed, the answer is the first one's fault.
 * @see docs/decisions/0017-a-batch-is-many-writes.md
 */
export const writesManyInSets = <R extends SplitRoute>(
  route: R,
  verb: (ctx: Context, input: InputOf<R>) => readonly ItemWork[],
): Handler => ({
  route,
  reply: async (ctx, input, sent) => {
    const command = required(sent)
    await ctx.write.one(command, route.status, async () => ({ kind: 'applied', answer: {}, events: [] }))
    const items = verb(ctx, input)
    const outcomes = await Promise.all(items.map((item, at) => carryOut(ctx, itemCommand(command, at), item)))
    const done = outcomes.flatMap((outcome) => (outcome.kind === 'done' ? [outcome.written] : []))
    const failed = outcomes.flatMap((outcome) => (outcome.kind === 'failed' ? [outcome.error] : []))
    if (done.length === 0) throw failed[0]
    const reply = written({
      status: route.status,
      contentType: 'application/json',
      body: `{"${route.split.results}":[${outcomes.map((outcome) => resultText(ctx, outcome)).join()}]}`,
      moved: done.flatMap(({ moved }) => moved),
      replayed: failed.length === 0 && done.every(({ replayed }) => replayed),
    })
    return { ...reply, failed }
  },
})

type ItemOutcome = { readonly playerId: PlayerId } & (
  | { readonly kind: 'done'; readonly written: Written }
  | { readonly kind: 'failed'; readonly error: unknown }
)

const carryOut = async (ctx: Context, command: Command, { playerId, work }: ItemWork): Promise<ItemOutcome> => {
  try {
    return { playerId, kind: 'done', written: await ctx.write.set(command, work) }
  } catch (error) {
    return { playerId, kind: 'failed', error }
  }
}

/** What a key may have, in characters; the table of claims has the same bound. */
const keyLengthMax = 255

/**
 * The command of the item at a place. Its key is the batch's, a space and the place: no key that a caller can choose has a
 * space. The fingerprint is that of the whole request.
 */
const itemCommand = (command: Command, at: number): Command => {
  const key = `${command.key} ${at}`
  return { ...command, key: key.length <= keyLengthMax ? key : `sha256 ${sha256(command.key)} ${at}` }
}

/** Put together as text, so that what was stored comes again byte for byte. */
const resultText = ({ requestId }: Context, outcome: ItemOutcome): string => {
  const { playerId } = outcome
  if (outcome.kind === 'failed') return failedItemText(playerId, faultOf(outcome.error), requestId)
  const { status, body } = outcome.written
  // A refusal that is stored stands for this key, whatever changes later.
  if (status >= 400) return refusedItemText(playerId, { retryable: false, problem: body })
  return `{"playerId":"${playerId}","status":"applied",${body.slice(1)}`
}
