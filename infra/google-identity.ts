import { base64url } from 'jose'
import * as z from 'zod'
import { boundedText } from './bounded-text.ts'
import type { IdTokenSource } from './id-tokens.ts'

/** Who a program outside of Google Cloud is there, and for whom its ID tokens are. */
export const googleIdentitySchema = z.strictObject({
  /** The custom audience that the services have in common. */
  audience: z.string().min(1).max(256),
  /** `projects/<number>/locations/global/workloadIdentityPools/<pool>/providers/<provider>` */
  provider: z.string().regex(/^projects\/\d+\/locations\/global\/workloadIdentityPools\/[\w-]+\/providers\/[\w-]+$/),
  /** The address of the service account whose tokens these are. */
  serviceAccount: z.email(),
  /** Where Google is, if not where it is for everybody; a machine of our own in tests. */
  endpoints: z
    .strictObject({ tokens: z.url(), credentials: z.url() })
    .default({ tokens: 'https://sts.googleapis.com/v1/token', credentials: 'https://iamcredentials.googleapis.com' }),
})

export type GoogleIdentity = z.infer<typeof googleIdentitySchema>

/** A private key of P-256 with its id, as `npm run edge-key` makes it. */
export const googleKeySchema = z.object({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  kid: z.string().min(1).max(128),
  x: z.base64url().min(1),
  y: z.base64url().min(1),
  d: z.base64url().min(1),
})

export type GoogleKey = z.infer<typeof googleKeySchema>

/** Who the Worker says it is, in the tokens that it signs. The pool's provider maps it, and lets nobody else in. */
export const edgeSubject = 'edge'

const curve = { name: 'ECDSA', namedCurve: 'P-256' }
const signing = { name: 'ECDSA', hash: 'SHA-256' }
/** Clocks differ, and Google refuses what was issued in its future. */
const issuedBeforeSeconds = 60
/** It is used at once. Google would take up to 48 hours. */
const lifeSeconds = 300
/** A federated token has up to 12 KB, of which Google says that it may change. */
const answerBytesMax = 65_536

const federatedSchema = z.object({ access_token: z.string().min(1) })
const generatedSchema = z.object({ token: z.string().min(1) })
/** How the Security Token Service says no, and how all other APIs do. */
const refusalSchema = z.object({
  error: z.union([z.string(), z.object({ status: z.string().optional(), message: z.string().optional() })]),
  error_description: z.string().optional(),
})

/**
 * ID tokens of a service account for a program that holds a key of its own, and none of Google's. A token that it signs is exchanged
 * for a federated one, which may do nothing but make ID tokens of that account: two requests, of which neither is tried twice.
 *
 * `issuer` is the provider's issuer as text; nobody has to reach it, since the provider has the key. Rejects with what Google says,
 * and with nothing of a token or the key.
 * @see https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token
 * @see https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateIdToken
 */
export const createGoogleIdentity = (options: {
  readonly identity: GoogleIdentity
  readonly key: GoogleKey
  readonly issuer: string
  readonly clock: () => number
}): IdTokenSource => {
  const { identity, key, issuer, clock } = options
  const { audience, serviceAccount, endpoints } = identity
  const provider = `//iam.googleapis.com/${identity.provider}`
  const { kid, kty, crv, x, y, d } = key
  const jwk = { kty, crv, x, y, d }
  let imported: Promise<CryptoKey> | undefined

  /** @see https://www.rfc-editor.org/rfc/rfc7515#section-5.1 and RFC 7518 section 3.4, whose form the Web Crypto API's signatures have */
  const sign = async (): Promise<string> => {
    imported ??= crypto.subtle.importKey('jwk', jwk, curve, false, ['sign'])
    const now = Math.floor(clock() / 1_000)
    const times = { iat: now - issuedBeforeSeconds, exp: now + lifeSeconds }
    const input = [
      { alg: 'ES256', typ: 'JWT', kid },
      { iss: issuer, sub: edgeSubject, aud: provider, ...times },
    ]
      .map((part) => base64url.encode(JSON.stringify(part)))
      .join('.')
    const signature = await crypto.subtle.sign(signing, await imported, new TextEncoder().encode(input))
    return `${input}.${base64url.encode(new Uint8Array(signature))}`
  }

  return async (signal) => {
    const form = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      audience: provider,
      scope: 'https://www.googleapis.com/auth/iam',
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      subject_token: await sign(),
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    })
    const federated = await post(endpoints.tokens, { body: form, signal }, federatedSchema)
    const generate = `${endpoints.credentials}/v1/projects/-/serviceAccounts/${serviceAccount}:generateIdToken`
    const headers = { authorization: `Bearer ${federated.access_token}`, 'content-type': 'application/json' }
    const body = JSON.stringify({ audience, includeEmail: true })
    return (await post(generate, { headers, body, signal }, generatedSchema)).token
  }
}

const post = async <Answer>(url: string, init: RequestInit, schema: z.ZodType<Answer>): Promise<Answer> => {
  const { host } = new URL(url)
  const response = await fetch(url, { ...init, method: 'POST', redirect: 'manual' })
  const text = await boundedText(response, answerBytesMax)
  const answer = parseJson(text)
  if (response.status !== 200) throw new Error(`${host} answered ${response.status}: ${refusalOf(answer)}`)
  const result = schema.safeParse(answer)
  if (!result.success) throw new Error(`${host} answered what is no token`)
  return result.data
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What is as long as this and has no gap may be a token that is told back. */
const tokenLike = /[\w.~+/=-]{80,}/g
const refusalLengthMax = 300

const refusalOf = (answer: unknown): string => {
  const refusal = refusalSchema.safeParse(answer)
  if (!refusal.success) return 'no reason'
  const { error, error_description } = refusal.data
  const words = typeof error === 'string' ? [error, error_description] : [error.status, error.message]
  return words.join(' ').trim().replace(tokenLike, '…').slice(0, refusalLengthMax)
}
