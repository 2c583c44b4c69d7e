import * as z from 'zod'
import type { RunState } from './evaluate/calendar.ts'
import { contextSchema } from './flags.ts'
import { transactionIdSchema } from './ids.ts'
import { defineRoute, direct, forwarded, localEvaluation } from './route.ts'
import { currencyCodeSchema, metadataSchema, timeSchema } from './scalars.ts'
import { balancesSchema } from './wallet.ts'

const runStates = ['upcoming', 'active', 'ended'] as const satisfies readonly RunState[]

/** `summer-fest.1`, or for an event that recurs `happy-hour.20261127T180000Z`: the event, and which of its runs. */
export const runIdSchema = z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}\.[0-9TZ]{1,16}$/, 'not the id of a run')

const rewardsSchema = z.array(z.object({ currency: currencyCodeSchema, amount: z.int().positive() }))

const runSchema = z
  .object({
    runId: runIdSchema,
    eventKey: z.string(),
    title: z.string(),
    state: z.enum(runStates),
    startsAt: timeSchema,
    endsAt: timeSchema,
    /** Until then a reward can be claimed. */
    claimUntil: timeSchema,
    /** Whether a reward goes to those alone who have joined. */
    requiresJoin: z.boolean(),
    rewards: rewardsSchema,
    /** What flags are while the event is active. */
    flags: z.record(z.string(), z.unknown()),
    /** The leaderboard that belongs to it. */
    leaderboard: z.string().optional(),
    metadata: metadataSchema,
  })
  .meta({ id: 'LiveEventRun' })
export type LiveEventRun = z.infer<typeof runSchema>

/** A context in a query, as JSON text: what a GET can carry. */
const contextTextMax = 2_048

export const listLiveEvents = defineRoute({
  method: 'GET',
  path: '/v1/live-events',
  summary: 'List the live events that are on, come next, or have just ended',
  description:
    'Of each event the run that is active, the next one once it is announced, and the last one while its reward can be claimed. An event for an audience is shown to whom it is for, as far as `context` tells.',
  access: 'app',
  cell: 'nearest',
  delivery: localEvaluation('live-events'),
  query: z.object({
    /** Attributes of the caller as a JSON object, such as `{"level":12}`. */
    context: z.string().max(contextTextMax).optional(),
  }),
  status: 200,
  answer: z
    .object({
      /** By this clock the states were computed. */
      serverTime: timeSchema,
      /** By their start. */
      runs: z.array(runSchema),
    })
    .meta({ id: 'LiveEvents' }),
  errors: [],
})

const params = z.object({ runId: runIdSchema })
const path = '/v1/live-events/{runId}'
const body = z.strictObject({ context: contextSchema.default({}) }).meta({ id: 'LiveEventContext' })

export const joinLiveEvent = defineRoute({
  method: 'POST',
  path: `${path}/join`,
  summary: 'Join a live event that is on',
  description:
    'Whoever has joined stays in for the run, also when they are no longer of its audience. A second call answers as the first.',
  access: 'player',
  cell: 'caller',
  delivery: forwarded({ idempotencyKey: 'optional' }),
  params,
  body,
  status: 200,
  answer: z.object({ runId: runIdSchema, joinedAt: timeSchema }).meta({ id: 'LiveEventJoined' }),
  errors: ['not_found', 'live_event_closed'],
})

export const claimLiveEvent = defineRoute({
  method: 'POST',
  path: `${path}/claim`,
  summary: 'Claim the reward of a live event',
  description:
    'Once a run, while it is on and for a grace time after: a later call answers as the first, whatever its key. A refusal claims nothing.',
  access: 'player',
  cell: 'caller',
  delivery: forwarded({ idempotencyKey: 'optional' }),
  params,
  body,
  status: 200,
  answer: z.object({ transactionId: transactionIdSchema, balances: balancesSchema }).meta({ id: 'LiveEventClaimed' }),
  errors: [
    'not_found',
    'live_event_closed',
    'live_event_not_joined',
    'nothing_to_claim',
    'balance_cap_exceeded',
    'currency_unknown',
  ],
})

/** Runs that are listed of a player at the most, the latest first. */
export const ownRunsMax = 100

export const listOwnLiveEvents = defineRoute({
  method: 'GET',
  path: '/v1/players/me/live-events',
  summary: 'List the runs that you have joined or claimed',
  description: `Of the runs that the calendar still knows, the latest first, at most ${ownRunsMax}.`,
  access: 'player',
  cell: 'caller',
  delivery: direct,
  status: 200,
  answer: z
    .object({
      runs: z
        .array(z.object({ runId: runIdSchema, joinedAt: timeSchema.nullable(), claimedAt: timeSchema.nullable() }))
        .max(ownRunsMax),
    })
    .meta({ id: 'OwnLiveEvents' }),
  errors: [],
})
