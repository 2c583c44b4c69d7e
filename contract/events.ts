import * as z from 'zod'
import { playerIdSchema, transactionIdSchema } from './ids.ts'
import { displayNameSchema } from './players.ts'
import { balanceSchema, currencyCodeSchema } from './scalars.ts'

const amounts = z.array(z.object({ currency: currencyCodeSchema, amount: z.int() }))

/**
 * Every event that leaves Perigee: CloudEvents type -> schema of its data. A type's schema only ever gains optional
 * members; anything else is a new type.
 */
export const events = {
  'perigee.player.created.v1': z.object({ playerId: playerIdSchema, displayName: displayNameSchema }),
  'perigee.player.updated.v1': z.object({ playerId: playerIdSchema, changed: z.array(z.string()).min(1) }),
  'perigee.wallet.changed.v1': z.object({
    playerId: playerIdSchema,
    transactionId: transactionIdSchema,
    reason: z.string(),
    changes: amounts,
    balances: z.array(z.object({ currency: currencyCodeSchema, amount: balanceSchema })),
  }),
} as const

export type EventType = keyof typeof events
export type EventData<Type extends EventType> = z.infer<(typeof events)[Type]>

/** A tag and the version that it moved to. Versions only grow, also over deletion: `greatest(version + 1, now in ms)`. */
export const movedSchema = z.object({ tag: z.string(), version: z.int().nonnegative() })
export type Moved = z.infer<typeof movedSchema>
