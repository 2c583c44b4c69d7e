import * as z from 'zod'
import { displayNameSchema, storedNameSchema } from './display-name.ts'
import { playerIdSchema } from './ids.ts'
import { cached, defineRoute, direct, forwarded } from './route.ts'
import { isPrintable, metadataSchema, timeSchema } from './scalars.ts'

/** A URL parser passes over control characters; a database does not. */
const avatarUrlSchema = z
  .url({ protocol: /^https$/ })
  .max(512)
  .refine(isPrintable, 'not printable')
const countrySchema = z.string().regex(/^[A-Z]{2}$/, 'not an ISO 3166-1 alpha-2 code')
const languageSchema = z
  .string()
  .max(35)
  .regex(/^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*$/, 'not a BCP 47 language tag')
const timeZoneSchema = z.string().max(64).refine(isTimeZone, 'not an IANA time zone')

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

const profileShape = {
  id: playerIdSchema,
  displayName: storedNameSchema,
  avatarUrl: avatarUrlSchema.nullable(),
  country: countrySchema.nullable(),
  language: languageSchema.nullable(),
  metadata: metadataSchema,
  createdAt: timeSchema,
}

/** What everybody may see of a player. */
export const profileSchema = z.object(profileShape).meta({ id: 'Profile' })
export type Profile = z.infer<typeof profileSchema>

/** What a player sees of themselves. */
export const ownProfileSchema = z
  .object({ ...profileShape, timeZone: timeZoneSchema.nullable(), updatedAt: timeSchema })
  .meta({ id: 'OwnProfile' })
export type OwnProfile = z.infer<typeof ownProfileSchema>

/** A member that is absent stays as it is; null clears it. */
export const profileChangesSchema = z
  .strictObject({
    displayName: displayNameSchema.optional(),
    avatarUrl: avatarUrlSchema.nullable().optional(),
    country: countrySchema.nullable().optional(),
    language: languageSchema.nullable().optional(),
    timeZone: timeZoneSchema.nullable().optional(),
    metadata: metadataSchema.optional(),
  })
  .refine((changes) => Object.keys(changes).length > 0, 'nothing to change')
  .meta({ id: 'ProfileChanges' })
export type ProfileChanges = z.infer<typeof profileChangesSchema>

export const getOwnProfile = defineRoute({
  method: 'GET',
  path: '/v1/players/me',
  summary: 'Read your own profile',
  access: 'player',
  cell: 'caller',
  delivery: direct,
  status: 200,
  answer: ownProfileSchema,
  errors: ['not_found'],
})

export const updateOwnProfile = defineRoute({
  method: 'PATCH',
  path: '/v1/players/me',
  summary: 'Change your own profile',
  description:
    'Echo the `Perigee-Consistency` header of the answer on your next calls and they see this change, wherever they are answered.',
  access: 'player',
  cell: 'caller',
  delivery: forwarded({ idempotencyKey: 'optional' }),
  body: profileChangesSchema,
  status: 200,
  answer: ownProfileSchema,
  errors: ['not_found', 'display_name_not_allowed'],
})

export const deleteOwnAccount = defineRoute({
  method: 'DELETE',
  path: '/v1/players/me',
  summary: 'Ask for your account to be deleted',
  description:
    'All your sessions end, and at `deleteAt` everything personal is erased. Until then a sign-in is answered `deletion_pending`, and one with `restore: true` takes the deletion back. A retry whose first call came through is answered `token_invalid`: the session is over.',
  access: 'player',
  cell: 'caller',
  delivery: forwarded({ idempotencyKey: 'none' }),
  status: 200,
  answer: z.object({ deleteAt: timeSchema }).meta({ id: 'AccountDeletion' }),
  errors: [],
})

export const getProfile = defineRoute({
  method: 'GET',
  path: '/v1/players/{playerId}',
  summary: 'Read the public profile of a player',
  access: 'player',
  cell: 'target',
  // Two seconds: nobody notices a friend's new name later than that, and a profile that is read by many costs each data
  // centre one question in two seconds. Five minutes: bounds what a lost invalidation can do, and costs the core one read of
  // each popular profile in some minutes. An hour: the longest that an old name may be shown with the core gone.
  delivery: cached({ tag: 'player:{playerId}', freshMs: 2_000, staleMs: 300_000, hardMs: 3_600_000 }),
  params: z.object({ playerId: playerIdSchema }),
  status: 200,
  answer: profileSchema,
  errors: ['not_found'],
})
