import * as z from 'zod'
import { errors } from './errors.ts'
import { type PlayerId, playerIdSchema } from './ids.ts'
import { type Fault, problemSchema, problemText } from './problem.ts'

/** Items of a batch at the most, over all cells. */
export const itemsMax = 100

/** How the edge takes a body apart and puts the answer together: the members that hold a list, an item a player. */
export type Split = {
  /** Of the body: each item names its player as `playerId`, and goes to that player's home cell. */
  readonly items: string
  /** Of the answer, which has no other: what became of each item, in their order. */
  readonly results: string
}

/**
 * The result of an item that is not known to have taken effect, in the answer of any route that is split. One that is not
 * `retryable` has had none.
 */
export const refusedItemSchema = z
  .object({
    playerId: playerIdSchema,
    status: z.literal('refused'),
    retryable: z.boolean().meta({
      description:
        'True: send the same call with the same `Idempotency-Key` again; it does this, or tells that it was done.',
    }),
    problem: problemSchema,
  })
  .meta({ id: 'RefusedItem' })
export type RefusedItem = z.infer<typeof refusedItemSchema>

/** A `RefusedItem` as JSON text, around a problem document that is text already. */
export const refusedItemText = (
  playerId: PlayerId,
  { retryable, problem }: { readonly retryable: boolean; readonly problem: string },
): string => `{"playerId":"${playerId}","status":"refused","retryable":${retryable},"problem":${problem}}`

/** The result of an item that a fault kept from being answered: no refusal of it is stored, so a retry asks anew. */
export const failedItemText = (playerId: PlayerId, fault: Fault, requestId: string): string =>
  refusedItemText(playerId, { retryable: errors[fault.code].retryable, problem: problemText(fault, requestId) })
