import * as z from 'zod'
import { contentKinds } from './content.ts'
import { storedNameSchema } from './display-name.ts'
import { keySchema } from './evaluate/flags-document.ts'
import { playerIdSchema, transactionIdSchema } from './ids.ts'
import { balanceSchema, currencyCodeSchema, timeSchema } from './scalars.ts'

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
    data: z.object({ playerId: playerIdSchema, displayName: storedNameSchema }),
  }),
  'perigee.player.updated.v1': defineEvent({
    description:
      'A player changed their profile. `changed` names the members; whoever needs their values reads the profile.',
    aggregate: 'player:{playerId}',
    data: z.object({ playerId: playerIdSchema, changed: z.array(z.string()).min(1) }),
  }),
  'perigee.player.banned.v1': defineEvent({
    description:
      'An operator banned a player, or changed the ban. They are signed out, and cannot sign in before `bannedUntil`; a ban that is meant for ever names a moment in the year 9999. No event says that this moment has come.',
    aggregate: 'player:{playerId}',
    data: z.object({ playerId: playerIdSchema, bannedUntil: timeSchema }),
  }),
  'perigee.player.unbanned.v1': defineEvent({
    description: 'An operator lifted the ban of a player before its time.',
    aggregate: 'player:{playerId}',
    data: z.object({ playerId: playerIdSchema }),
  }),
  'perigee.player.deletion_requested.v1': defineEvent({
    description:
      'A player asked for their account to be deleted. They are signed out; at `deleteAt` they are erased, unless they take it back before.',
    aggregate: 'player:{playerId}',
    data: z.object({ playerId: playerIdSchema, deleteAt: timeSchema }),
  }),
  'perigee.player.deletion_cancelled.v1': defineEvent({
    description: 'A player took back that their account is to be deleted.',
    aggregate: 'player:{playerId}',
    data: z.object({ playerId: playerIdSchema }),
  }),
  'perigee.player.deleted.v1': defineEvent({
    description:
      'A player was erased and will not come back. Whoever keeps anything personal about them erases it now. Their wallet takes no transaction any more.',
    aggregate: 'player:{playerId}',
    data: z.object({ playerId: playerIdSchema }),
  }),
  'perigee.player.merged.v1': defineEvent({
    description:
      'Two accounts of one person became one. `playerId` is no more: what is kept of it belongs to `mergedInto` from now on. What it had in its wallet has moved, with events of both wallets.',
    aggregate: 'player:{playerId}',
    data: z.object({ playerId: playerIdSchema, mergedInto: playerIdSchema }),
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
  'perigee.content.published.v1': defineEvent({
    description:
      'A document of flags or live events was published, or an older one brought back. Edges answer from it within ten seconds; the event is of the control cell.',
    aggregate: 'content:{kind}',
    data: z.object({
      kind: z.enum(contentKinds),
      number: z.int().positive(),
      hash: z.string(),
      author: z.string(),
      rolledBackTo: z.int().positive().nullable(),
    }),
  }),
  'perigee.experiment.exposed.v1': defineEvent({
    description:
      'A unit has seen a variant of an experiment, for the first time in this run. It is told once for a unit and run, by the cell of the player.',
    aggregate: 'exposure:{playerId}',
    data: z.object({
      playerId: playerIdSchema,
      experiment: keySchema,
      run: z.int().positive(),
      variant: keySchema,
      unit: z.string(),
    }),
  }),
  'perigee.live_event.joined.v1': defineEvent({
    description: 'A player has joined a run of a live event, for the first time.',
    aggregate: 'player:{playerId}',
    data: z.object({ playerId: playerIdSchema, runId: z.string() }),
  }),
} as const

export type EventType = keyof typeof events

/** A tag and the version that it moved to. Versions only grow, also over deletion: `greatest(version + 1, now in ms)`. */
export const movedSchema = z.object({
  /** Printable ASCII but `=` and `,`, as it travels in headers. */
  tag: z.string().regex(/^[!-+\--<>-~]{1,200}$/),
  version: z.int().nonnegative(),
})
export type Moved = z.infer<typeof movedSchema>
