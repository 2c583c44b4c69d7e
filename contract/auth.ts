import * as z from 'zod'
import { deviceIdSchema } from './credentials.ts'
import { cellSchema } from './ids.ts'
import { displayNameSchema, ownProfileSchema } from './players.ts'
import { defineRoute, forwarded } from './route.ts'
import { timeSchema } from './scalars.ts'

/** `aud` of access tokens: they are for Perigee's edge and nobody else. */
export const accessTokenAudience = 'perigee'

const sessionShape = {
  /** ES256 JWT, ten minutes. */
  accessToken: z.string(),
  accessExpiresAt: timeSchema,
  /** Single use: a refresh answers with its successor. Opaque. */
  refreshToken: z.string(),
  cell: cellSchema,
  serverTime: timeSchema,
}

export const sessionSchema = z.object(sessionShape).meta({ id: 'Session' })
export type Session = z.infer<typeof sessionSchema>

export const signInAnswerSchema = z
  .object({ player: ownProfileSchema, created: z.boolean(), ...sessionShape })
  .meta({ id: 'SignIn' })
export type SignInAnswer = z.infer<typeof signInAnswerSchema>

export const signInWithDevice = defineRoute({
  method: 'POST',
  path: '/v1/auth/device',
  summary: 'Sign in as a guest of this device',
  description:
    'Makes the player on the first call, unless `create` is false. Called twice, or by two at once, it finds the same player.',
  access: 'client',
  cell: 'nearest',
  delivery: forwarded({ idempotencyKey: 'none' }),
  body: z
    .strictObject({
      deviceId: deviceIdSchema,
      create: z.boolean().default(true),
      displayName: displayNameSchema.optional(),
    })
    .meta({ id: 'DeviceCredential' }),
  status: 200,
  answer: signInAnswerSchema,
  errors: ['player_banned', 'deletion_pending', 'not_found', 'misdirected'],
})

export const refreshSession = defineRoute({
  method: 'POST',
  path: '/v1/auth/refresh',
  summary: 'Exchange a refresh token for its successor and a new access token',
  description:
    'Until the successor is used, and for 30 s after, the same token answers with the same successor, so a lost answer signs nobody out. Later reuse ends the session.',
  access: 'client',
  cell: 'nearest',
  delivery: forwarded({ idempotencyKey: 'none' }),
  body: z.strictObject({ refreshToken: z.string().min(1).max(512) }).meta({ id: 'RefreshCredential' }),
  status: 200,
  answer: sessionSchema,
  errors: ['refresh_token_invalid', 'refresh_token_reused', 'misdirected'],
})
