import * as z from 'zod'
import { providerSchema } from '#contract/credentials.ts'
import { isTrustworthyUrl } from '#infra/issuer-keys.ts'
import type { OidcIssuer } from '#infra/oidc.ts'
import { googleKeysUrl } from '#infra/push-identity.ts'

/** Issuers by the name under which players sign in with them. */
export type OidcIssuers = ReadonlyMap<string, OidcIssuer>

/** More than a game has, and each keeps its keys in memory. */
const issuersMax = 16

/** @see https://developers.google.com/identity/openid-connect/openid-connect#validatinganidtoken */
const google = {
  issuers: ['https://accounts.google.com', 'accounts.google.com'],
  keysUrl: googleKeysUrl,
  algorithms: ['RS256'],
} as const

/** @see https://developer.apple.com/documentation/signinwithapple/verifying-a-user */
const apple = {
  issuers: ['https://appleid.apple.com'],
  keysUrl: 'https://appleid.apple.com/auth/keys',
  algorithms: ['RS256'],
} as const

const audiencesSchema = z.array(z.string().min(1).max(255)).min(1).max(16)
const addressSchema = z
  .url()
  .max(512)
  .refine(isTrustworthyUrl, 'must be https')
  .refine((text) => !/[?#]/.test(text), 'must be without query and fragment')

/** Another issuer under these names would be other players: only a test on this machine may stand in for them. */
const standInSchema = addressSchema.refine((text) => URL.parse(text)?.hostname === '127.0.0.1', 'is built in')

const builtIn = (own: Pick<OidcIssuer, 'issuers' | 'keysUrl' | 'algorithms'>) =>
  z
    .strictObject({ audiences: audiencesSchema, issuer: standInSchema.optional(), keysUrl: standInSchema.optional() })
    .transform(
      ({ audiences, issuer, keysUrl }): OidcIssuer => ({
        issuers: issuer === undefined ? own.issuers : [issuer],
        audiences,
        // A stand-in is asked where its own keys are.
        keysUrl: keysUrl ?? (issuer === undefined ? own.keysUrl : undefined),
        algorithms: own.algorithms,
      }),
    )

const custom = z
  .strictObject({
    issuer: addressSchema,
    audiences: audiencesSchema,
    keysUrl: addressSchema.optional(),
    // What OpenID Connect has every issuer sign with that says nothing else.
    algorithms: z
      .array(z.enum(['RS256', 'ES256']))
      .min(1)
      .default(['RS256']),
  })
  .transform(
    ({ issuer, audiences, keysUrl, algorithms }): OidcIssuer => ({ issuers: [issuer], audiences, keysUrl, algorithms }),
  )

const issuersSchema = z
  .object({ google: builtIn(google).optional(), apple: builtIn(apple).optional() })
  .catchall(custom)
  .superRefine((issuers, ctx) => {
    const names = Object.keys(issuers)
    if (names.length > issuersMax) ctx.addIssue({ code: 'custom', message: `more than ${issuersMax} issuers` })
    for (const name of names) {
      if (!providerSchema.safeParse(name).success)
        ctx.addIssue({ code: 'custom', path: [name], message: 'no issuer can have this name' })
    }
  })

/**
 * The setting OIDC_ISSUERS, JSON text:
 * `{ "google": { "audiences": ["…"] }, "steam-bridge": { "issuer": "https://…", "audiences": ["…"], "keysUrl": "https://…",
 * "algorithms": ["ES256"] } }`. Of google and apple only the audiences are given; of others `keysUrl` (else found by discovery) and
 * `algorithms` (else RS256) need not be. What is wrong is told with its path in the text, and never with a value.
 */
export const oidcIssuersSetting = z.string().transform((text, ctx): OidcIssuers => {
  const json = parseJson(text)
  if (json === undefined) {
    ctx.addIssue({ code: 'custom', message: 'not JSON' })
    return z.NEVER
  }
  const result = issuersSchema.safeParse(json)
  if (result.success)
    return new Map(Object.entries(result.data).flatMap(([name, issuer]) => (issuer ? [[name, issuer]] : [])))
  for (const { path, message } of result.error.issues)
    ctx.addIssue({ code: 'custom', message: path.length === 0 ? message : `${path.join('.')} ${message}` })
  return z.NEVER
})

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
