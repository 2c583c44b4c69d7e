import * as z from 'zod'
import { isPrintable } from './scalars.ts'

const bytes = (text: string) => new TextEncoder().encode(text).length
/** Characters as a person counts them, or near it: code points. */
const characters = (text: string) => [...text].length

/** What the device keeps and nobody can guess: 10 to 128 bytes. */
export const deviceIdSchema = z
  .string()
  .refine((text) => bytes(text) >= 10 && bytes(text) <= 128, 'must be 10 to 128 bytes')
  .refine((text) => text.isWellFormed(), 'not well-formed text')

/**
 * An email address: printable ASCII without spaces, one `@`, a domain with a dot; at most 254 characters, as SMTP takes them.
 * ASCII alone, because other letters fold into these (the Kelvin sign into k): what is mailed to one address would belong to
 * another's account. A domain in other letters has its ASCII form.
 * @see https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1
 */
export const emailSchema = z
  .string()
  .max(254)
  .regex(/^[!-?A-~]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{2,63}$/, 'not an email address')

/** The form in which two spellings of an address are one account: lower case, before the `@` as well, as every large provider has it. */
export const comparableEmail = (email: string): string => email.toLowerCase()

/**
 * A password on the wire: 10 to 128 characters of any script, spaces too, and no rule what they must be made of; its length is
 * what counts. No control characters: a line end that was pasted along would lock its owner out.
 * Which are refused as too well known stands in `core/auth/password-rules.ts`.
 * @see https://pages.nist.gov/800-63-4/sp800-63b.html#passwordver
 */
export const passwordSchema = z
  .string()
  .min(10)
  // UTF-16 units: a character is one or two of them.
  .max(256)
  .refine((text) => characters(text) >= 10 && characters(text) <= 128, 'must be 10 to 128 characters')
  .refine(isPrintable, 'control characters and lone surrogates are not allowed')

/** An ID token of an OpenID Connect issuer: a JWS in its compact form. Those of Google and Apple are below 1,500 characters. */
export const idTokenSchema = z
  .string()
  .max(4_096)
  .regex(/^[\w-]+\.[\w-]+\.[\w-]+$/, 'not an ID token')

/** What the client made up for one sign-in and gave to the issuer, as it is or as its SHA-256: 16 to 128 printable ASCII characters. */
export const nonceSchema = z.string().regex(/^[!-~]{16,128}$/, 'must be 16 to 128 printable ASCII characters')

const providerPattern = /^[a-z][a-z0-9-]{1,31}$/

/** Whatever a player signs in with: `device`, `email`, or the name of an issuer. */
export const anyProviderSchema = z.string().regex(providerPattern, 'not a name such as device or google')

/** Ways to sign in that no issuer may be named after. */
const reservedProviders: readonly string[] = ['device', 'email']

/** The name by which a deployment calls an issuer, such as google. Whether it is configured only the core can tell. */
export const providerSchema = z
  .string()
  .regex(providerPattern, 'not a name such as google')
  .refine((name) => !reservedProviders.includes(name), 'device and email are no issuers')

/** What each way to sign in takes, the same for who signs in and for who links it to an account. */
export const deviceCredential = { deviceId: deviceIdSchema }
export const emailCredential = { email: emailSchema, password: passwordSchema }
export const idTokenCredential = { idToken: idTokenSchema, nonce: nonceSchema.optional() }
export const customCredential = { provider: providerSchema, ...idTokenCredential }
