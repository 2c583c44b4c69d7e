import * as z from 'zod'
import { sessionIdSchema } from './ids.ts'
import { defineRoute, direct, forwarded } from './route.ts'
import { timeSchema } from './scalars.ts'

/** A player's sessions that are told at once; who has more sees the latest. */
export const sessionsMax = 100

const sessionEntrySchema = z
  .object({
    sessionId: sessionIdSchema,
    createdAt: timeSchema,
    /** When its tokens were last refreshed; when it began, if never. */
    lastUsedAt: timeSchema,
    /** Whether the call itself was made in this session. */
    current: z.boolean(),
    /** Whether each refresh has to be signed with a key of the device. */
    bound: z.boolean(),
  })
  .meta({ id: 'SessionEntry' })

export const listOwnSessions = defineRoute({
  method: 'GET',
  path: '/v1/sessions',
  summary: 'List the devices that you are signed in on',
  description: `Those that were neither ended nor have expired, the latest first, at most ${sessionsMax}.`,
  access: 'player',
  cell: 'caller',
  delivery: direct,
  status: 200,
  answer: z.object({ sessions: z.array(sessionEntrySchema) }).meta({ id: 'Sessions' }),
  errors: [],
})

const endedSchema = z.object({ endedAt: timeSchema }).meta({ id: 'SessionEnd' })

export const endOwnSession = defineRoute({
  method: 'DELETE',
  path: '/v1/sessions/{sessionId}',
  summary: 'Sign another device out',
  description:
    'Its refresh token is dead at once, its access token writes nothing from now on, and reads nothing after ten seconds. What has ended stays so: the answer tells since when.',
  access: 'player',
  cell: 'caller',
  delivery: forwarded({ idempotencyKey: 'none' }),
  params: z.object({ sessionId: sessionIdSchema }),
  status: 200,
  answer: endedSchema,
  errors: ['not_found'],
})

export const logOut = defineRoute({
  method: 'POST',
  path: '/v1/auth/logout',
  summary: 'Sign out of this session, or of all',
  description:
    'The session ends as by `DELETE /v1/sessions/{sessionId}`. A retry whose first call came through is answered `token_invalid`: the session is over, which is what was asked for.',
  access: 'player',
  cell: 'caller',
  delivery: forwarded({ idempotencyKey: 'none' }),
  body: z.strictObject({ everywhere: z.boolean().default(false) }).meta({ id: 'LogOut' }),
  status: 200,
  answer: endedSchema,
  errors: [],
})
