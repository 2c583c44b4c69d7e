import * as z from 'zod'
import { currencyCodeSchema, metadataSchema, textSchema } from '#contract/scalars.ts'
import { keySchema, list, table, valueSchema } from './flags-document.ts'
import { scheduleSchema } from './schedule.ts'

/** Entries at the most: what a calendar can be shown as. */
export const eventsMax = 500
const rewardsMax = 20
const flagsMax = 50

/** Minutes in which a reward can be claimed after the end, and in which a run is shown before its start, at the most. */
const claimGraceMinutesMax = 43_200
const announceMinutesMax = 43_200
/** Two weeks: what players plan ahead. */
const announceMinutesDefault = 20_160

/** Without an underscore: an event's key is a part of the ids of its runs. */
const eventKeySchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'not a key such as summer-fest: small letters, digits and -, 64 at the most')

const liveEventSchema = z.strictObject({
  title: textSchema({ min: 1, max: 100 }),
  description: z.string().max(500).optional(),
  /** Off, it is as if it were not there. */
  enabled: z.boolean().default(true),
  schedule: scheduleSchema,
  /** An audience of the flags; absent for everybody. */
  audience: keySchema.optional(),
  requiresJoin: z.boolean().default(false),
  rewards: list(z.strictObject({ currency: currencyCodeSchema, amount: z.int().positive() }), { max: rewardsMax })
    .refine(
      (rewards) => new Set(rewards.map(({ currency }) => currency)).size === rewards.length,
      'a currency stands twice',
    )
    .default([]),
  claimGraceMinutes: z.int().min(0).max(claimGraceMinutesMax).default(0),
  announceMinutes: z.int().min(0).max(announceMinutesMax).default(announceMinutesDefault),
  /** What flags are while it is active, by their keys. */
  flags: table(valueSchema, flagsMax).default({}),
  /** Of several that say what one flag is the highest decides; then the first by its key. */
  priority: z.int().min(-1_000).max(1_000).default(0),
  /** The leaderboard that belongs to it. */
  leaderboard: keySchema.optional(),
  /** For the client: a picture, a colour. */
  metadata: metadataSchema.default({}),
})
export type LiveEvent = z.output<typeof liveEventSchema>

export const liveEventsDocumentSchema = z.strictObject({
  events: table(liveEventSchema, eventsMax, eventKeySchema).default({}),
})
export type LiveEventsDocument = z.output<typeof liveEventsDocumentSchema>

/** What is on where nothing was published. */
export const noLiveEvents: LiveEventsDocument = { events: {} }
