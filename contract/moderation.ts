import * as z from 'zod'
import { playerIdSchema } from './ids.ts'
import { ownProfileSchema } from './players.ts'
import { defineRoute, direct, forwarded } from './route.ts'
import { textSchema, timeSchema } from './scalars.ts'

/** Until when a ban lasts that names no end: the last midnight that RFC 3339 can write on a day of its own. */
export const bannedForEver = '9999-12-31T00:00:00.000Z'

const params = z.object({ playerId: playerIdSchema })
const path = '/v1/admin/players/{playerId}'

/** What a sign-in is refused with. */
const banSchema = z.object({ bannedUntil: timeSchema, reason: z.string() }).meta({ id: 'Ban' })

export const getPlayerRecord = defineRoute({
  method: 'GET',
  path,
  summary: 'Read what is known of a player',
  access: 'operator',
  role: 'viewer',
  cell: 'target',
  delivery: direct,
  params,
  status: 200,
  answer: z
    .object({
      player: ownProfileSchema,
      /** Null where there is none, or none any more. */
      ban: banSchema.nullable(),
      /** When the player is deleted, as they have asked for; null if they have not. */
      deleteAt: timeSchema.nullable(),
      /** What they can sign in with, by name: `device`, `email`, an issuer of ID tokens. */
      providers: z.array(z.string()),
      /** Sessions that were neither ended nor have expired. */
      liveSessions: z.int().nonnegative(),
    })
    .meta({ id: 'PlayerRecord' }),
  errors: ['not_found'],
})

export const banPlayer = defineRoute({
  method: 'PUT',
  path: `${path}/ban`,
  summary: 'Ban a player, or change how long and why',
  description:
    'Every session of theirs ends, and a sign-in is answered `player_banned` with what stands here. The ban ends by itself at `until`. Others see their profile as before.',
  access: 'operator',
  role: 'admin',
  cell: 'target',
  delivery: forwarded({ idempotencyKey: 'optional' }),
  params,
  body: z
    .strictObject({
      /** For the player to read. */
      reason: textSchema({ min: 1, max: 256 }),
      /** In the future; absent for a ban that is meant for ever. */
      until: timeSchema.default(bannedForEver),
    })
    .meta({ id: 'BanOrder' }),
  status: 200,
  // Without the reason: the answer is kept for retries, and a reason goes with its player.
  answer: z.object({ bannedUntil: timeSchema }).meta({ id: 'BanBegun' }),
  errors: ['not_found'],
})

export const unbanPlayer = defineRoute({
  method: 'DELETE',
  path: `${path}/ban`,
  summary: 'Lift the ban of a player',
  description: 'They can sign in again. For a player who is not banned it changes nothing.',
  access: 'operator',
  role: 'admin',
  cell: 'target',
  delivery: forwarded({ idempotencyKey: 'optional' }),
  params,
  status: 200,
  answer: z
    .object({
      /** Whether there was a ban to lift. */
      lifted: z.boolean(),
    })
    .meta({ id: 'BanEnd' }),
  errors: ['not_found'],
})

export const deletePlayer = defineRoute({
  method: 'DELETE',
  path,
  summary: 'Delete a player at once',
  description:
    'Without a grace period, and for good: everything personal is erased before this answers. What they signed in with makes a new player from then on.',
  access: 'operator',
  role: 'admin',
  cell: 'target',
  delivery: forwarded({ idempotencyKey: 'optional' }),
  params,
  status: 200,
  answer: z.object({ deletedAt: timeSchema }).meta({ id: 'PlayerDeletion' }),
  errors: ['not_found'],
})
