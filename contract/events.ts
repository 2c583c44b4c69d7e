import * as z from 'zod'
import { playerIdSchema, transactionIdSchema } from './ids.ts'
import { displayNameSchema } from './players.ts'
import { balanceSchema, currencyCodeSchema } from './scalars.ts'

export type EventDefinition = {
  /** When it is emitted and what it says, for engineers of other services: it is published with the schema. */
  readonly description: string
  /**
   * What it is about, over members of its data: the form of the CloudEvents `subject`. Events of one aggregate leave in the
   * order of their versions.
   */
  readonly aggregate: string
  readonly data: z.ZodObject
}

/** An event as plain data. An aggregate over a member that the data lacks does not compile. */
export const defineEvent = <const Shape extends z.ZodRawShape>(event: {
  readonly description: string
  readonly aggregate: `${string}:{${keyof Shape & string}}`
  readonly data: z.ZodObject<Shape>
}) => event

const amounts = z.array(z.object({ currency: currencyCodeSchema, amount: z.int() }))

/**
 * Every event that leaves Perigee, by its CloudEvents type. Other services build on what `contract/events.json` says of a
 * type, so its data only ever gains members and is narrowed; anything else is a new type (`contract/compatibility.ts`).
 */
export const events = {
  'perigee.player.created.v1': defineEvent({
    description: 'A player signed in for the first time and exists from now on, with an empty wallet.',
    aggregate: 'player:{playerId}',
    data: z.object({ playerId: playerIdSchema, displayName: displayNameSchema }),
  }),
  'perigee.player.updated.v1': defineEvent({
    description:
      'A player changed their profile. `changed` names the members; whoever needs their values reads the profile.',
    aggregate: 'player:{playerId}',
    data: z.object({ playerId: playerIdSchema, changed: z.array(z.string()).min(1) }),
  }),
  'perigee.wallet.changed.v1': defineEvent({
    description:
      'A wallet transaction took effect. `changes` is what it granted (above zero) and spent (below); `balances` is every declared currency after it.',
    aggregate: 'wallet:{playerId}',
    data: z.object({
      playerId: playerIdSchema,
      transactionId: transactionIdSchema,
      reason: z.string(),
      changes: amounts,
      balances: z.array(z.object({ currency: currencyCodeSchema, amount: balanceSchema })),
    }),
  }),
} as const

export type EventType = keyof typeof events
export type EventData<Type extends EventType> = z.infer<(typeof events)[Type]['data']>

/** A tag and the version that it moved to. Versions only grow, also over deletion: `greatest(version + 1, now in ms)`. */
export const movedSchema = z.object({
  /** Printable ASCII but `=` and `,`, as it travels in headers. */
  tag: z.string().regex(/^[!-+\--<>-~]{1,200}$/),
  version: z.int().nonnegative(),
})
export type Moved = z.infer<typeof movedSchema>
