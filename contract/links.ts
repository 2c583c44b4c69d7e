import * as z from 'zod'
import {
  anyProviderSchema,
  customCredential,
  deviceCredential,
  emailCredential,
  idTokenCredential,
  passwordSchema,
} from './credentials.ts'
import { defineRoute, direct, forwarded } from './route.ts'
import { timeSchema } from './scalars.ts'

/** Ways to sign in that an account has at the most: every device of a family, and every issuer that there is. */
export const linksMax = 20

/** Names a link among those of its player. It is made from the credential, does not tell it, and opens nothing. */
const linkIdSchema = z.string().regex(/^[0-9a-f]{20}$/, 'not the id of a link')

const linkSchema = z
  .object({ linkId: linkIdSchema, provider: anyProviderSchema, linkedAt: timeSchema })
  .meta({ id: 'Link' })
export type Link = z.infer<typeof linkSchema>

const linksSchema = z.object({ links: z.array(linkSchema) }).meta({ id: 'Links' })

export const listLinks = defineRoute({
  method: 'GET',
  path: '/v1/players/me/links',
  summary: 'List what signs you in',
  description: 'The oldest first. No address and no name that you have elsewhere is told.',
  access: 'player',
  cell: 'caller',
  delivery: direct,
  status: 200,
  answer: linksSchema,
  errors: [],
})

/** What linking has in common, whatever is linked. */
const linking = {
  method: 'POST',
  description: `From then on it signs you in. What is yours already is answered the same again, what is another account’s with \`credential_taken\`. At most ${linksMax}.`,
  access: 'player',
  cell: 'caller',
  delivery: forwarded({ idempotencyKey: 'none' }),
  status: 200,
  answer: linkSchema,
} as const

const linkErrors = ['credential_taken', 'links_full'] as const
const idTokenErrors = [...linkErrors, 'credential_refused', 'provider_unknown'] as const
const builtInBody = z.strictObject(idTokenCredential).meta({ id: 'IdTokenLink' })

export const linkDevice = defineRoute({
  ...linking,
  path: '/v1/players/me/links/device',
  summary: 'Have a device sign you in',
  body: z.strictObject(deviceCredential).meta({ id: 'DeviceLink' }),
  errors: linkErrors,
})

export const linkEmail = defineRoute({
  ...linking,
  path: '/v1/players/me/links/email',
  summary: 'Have an email address and a password sign you in',
  body: z.strictObject(emailCredential).meta({ id: 'EmailLink' }),
  errors: [...linkErrors, 'credential_refused', 'password_weak'],
})

export const linkGoogle = defineRoute({
  ...linking,
  path: '/v1/players/me/links/google',
  summary: 'Have your account with Google sign you in',
  body: builtInBody,
  errors: idTokenErrors,
})

export const linkApple = defineRoute({
  ...linking,
  path: '/v1/players/me/links/apple',
  summary: 'Have your account with Apple sign you in',
  body: builtInBody,
  errors: idTokenErrors,
})

export const linkCustom = defineRoute({
  ...linking,
  path: '/v1/players/me/links/custom',
  summary: 'Have your account with an issuer that the deployment has named sign you in',
  body: z.strictObject(customCredential).meta({ id: 'CustomLink' }),
  errors: idTokenErrors,
})

export const unlink = defineRoute({
  method: 'DELETE',
  path: '/v1/players/me/links/{provider}',
  summary: 'No longer sign in with something',
  description:
    'Takes all links of the provider away, or the one that `linkId` names, and answers with those that are left. Whoever signs in with it from then on is somebody else. Sessions go on. A retry whose first call came through is `not_found`.',
  access: 'player',
  cell: 'caller',
  delivery: forwarded({ idempotencyKey: 'none' }),
  params: z.object({ provider: anyProviderSchema }),
  query: z.object({ linkId: linkIdSchema.optional() }),
  status: 200,
  answer: linksSchema,
  errors: ['last_credential', 'not_found'],
})

export const changePassword = defineRoute({
  method: 'PUT',
  path: '/v1/players/me/password',
  summary: 'Change your password',
  description:
    'Ends all of your other sessions. Your own goes on: its access token is refused, its refresh token brings the next. A retry whose first call came through is `credential_refused`, for the password is the new one by then.',
  access: 'player',
  cell: 'caller',
  delivery: forwarded({ idempotencyKey: 'none' }),
  body: z.strictObject({ password: passwordSchema, newPassword: passwordSchema }).meta({ id: 'PasswordChange' }),
  status: 200,
  answer: z.object({ changedAt: timeSchema }).meta({ id: 'PasswordChanged' }),
  errors: ['credential_refused', 'password_weak', 'not_found'],
})
