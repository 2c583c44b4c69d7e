import * as z from 'zod'
import { customCredential, deviceCredential, emailCredential, idTokenCredential } from './credentials.ts'
import { deviceKeySchema, refreshCredentialShape } from './device-key.ts'
import { displayNameSchema } from './display-name.ts'
import { cellSchema } from './ids.ts'
import { ownProfileSchema } from './players.ts'
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

/** What every sign-in may ask for, beside the credential. */
const signInOptions = {
  /** Whether a player is made where the credential is nobody's. */
  create: z.boolean().default(true),
  /** Of the player who is made; for one who is there already it says nothing. */
  displayName: displayNameSchema.optional(),
  /** Whether the deletion of the account, if it was asked for, is taken back. */
  restore: z.boolean().default(false),
  /** What the session is bound to: each refresh of it then needs a proof by this key. */
  deviceKey: deviceKeySchema.optional(),
}

/** What every sign-in can be refused with, whatever the credential. */
const signInErrors = ['player_banned', 'deletion_pending', 'display_name_not_allowed', 'misdirected'] as const

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
      ...deviceCredential,
      ...signInOptions,
    })
    .meta({ id: 'DeviceCredential' }),
  status: 200,
  answer: signInAnswerSchema,
  errors: [...signInErrors, 'not_found'],
})

export const signInWithEmail = defineRoute({
  method: 'POST',
  path: '/v1/auth/email',
  summary: 'Sign in with an email address and a password',
  description:
    'Makes the player where the address is nobody’s, unless `create` is false. A wrong password is `credential_invalid`; with `create: false` so is an address that nobody has. Nothing is mailed to the address, so it is not known to be the player’s.',
  access: 'client',
  cell: 'nearest',
  delivery: forwarded({ idempotencyKey: 'none' }),
  body: z.strictObject({ ...emailCredential, ...signInOptions }).meta({ id: 'EmailCredential' }),
  status: 200,
  answer: signInAnswerSchema,
  errors: [...signInErrors, 'credential_invalid', 'password_weak'],
})

/** What signing in with an ID token has in common, whoever issued it. */
const withIdToken = {
  method: 'POST',
  description:
    'Makes the player on the first call, unless `create` is false. A token that was issued with a nonce is presented with it: what the client made up, while the issuer may have been given its SHA-256.',
  access: 'client',
  cell: 'nearest',
  delivery: forwarded({ idempotencyKey: 'none' }),
  status: 200,
  answer: signInAnswerSchema,
  errors: [...signInErrors, 'credential_invalid', 'provider_unknown', 'not_found'],
} as const

const builtInBody = z.strictObject({ ...idTokenCredential, ...signInOptions }).meta({ id: 'IdTokenCredential' })

export const signInWithGoogle = defineRoute({
  ...withIdToken,
  path: '/v1/auth/google',
  summary: 'Sign in with an ID token of Google',
  body: builtInBody,
})

export const signInWithApple = defineRoute({
  ...withIdToken,
  path: '/v1/auth/apple',
  summary: 'Sign in with an ID token of Apple',
  body: builtInBody,
})

export const signInWithCustom = defineRoute({
  ...withIdToken,
  path: '/v1/auth/custom',
  summary: 'Sign in with an ID token of an issuer that the deployment has named',
  body: z.strictObject({ ...customCredential, ...signInOptions }).meta({ id: 'CustomCredential' }),
})

export const refreshSession = defineRoute({
  method: 'POST',
  path: '/v1/auth/refresh',
  summary: 'Exchange a refresh token for its successor and a new access token',
  description:
    'Until the successor is used, and for 30 s after, the same token answers with the same successor, so a lost answer signs nobody out. Later reuse ends the session. A session that is bound to a device’s key needs a `proof` by that key; without one nothing happens to it.',
  access: 'client',
  cell: 'nearest',
  delivery: forwarded({ idempotencyKey: 'none' }),
  body: z.strictObject(refreshCredentialShape).meta({ id: 'RefreshCredential' }),
  status: 200,
  answer: sessionSchema,
  errors: ['refresh_token_invalid', 'refresh_token_reused', 'refresh_proof_invalid', 'misdirected'],
})
