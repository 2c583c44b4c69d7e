import { createRemoteJWKSet, customFetch, errors, type FetchImplementation, type JWTVerifyGetKey } from 'jose'
import * as z from 'zod'
import { boundedText } from './bounded-text.ts'

/** Where an issuer's keys are; without an address the issuer's discovery document names it. */
export type KeySource = { readonly issuer: string; readonly keysUrl: string | undefined }

/** For everything between a question and a usable answer: sign-ins wait for it, and a write has five seconds. */
const fetchMaxMs = 2_000
/** Keys of Google and Apple take 3 KB, of issuers that add their certificates 20. */
const documentBytesMax = 65_536
/** A token can name any key, so whoever makes up names must not make us ask more often than this. */
const cooldownMs = 10_000
/** While there are no keys at all: sign-ins come back this soon after the issuer does, and it is asked no more often. */
const awayPauseMs = 1_000
/**
 * A key that its issuer withdrew is believed for so long, and an issuer may be away for so long before sign-ins notice. Google
 * lets its keys be kept for hours; a token lives one.
 */
const keysMaxAgeMs = 3_600_000

const keySetSchema = z.object({ keys: z.array(z.looseObject({})) })
const discoverySchema = z.object({ issuer: z.string(), jwks_uri: z.string() })

/** Whether keys can be had from an address unaltered: https, or this machine, which is for tests. */
export const isTrustworthyUrl = (text: string): boolean => {
  const url = URL.parse(text)
  return url?.protocol === 'https:' || (url?.protocol === 'http:' && url.hostname === '127.0.0.1')
}

/**
 * The keys of one issuer, for `jwtVerify`: fetched when first needed, kept for an hour, fetched anew for a key that is not among
 * them, though at most every ten seconds. Many that ask at once share one fetch, which takes two seconds and 64 KiB at the most
 * and follows no redirection. An address that discovery found is remembered: an issuer that moves its keys is followed after a
 * restart.
 *
 * Rejects with one of jose's errors for what is wrong with the token, and with another one where the keys cannot be had.
 */
export const createIssuerKeys = ({ issuer, keysUrl }: KeySource): JWTVerifyGetKey => {
  let address = keysUrl === undefined ? undefined : new URL(keysUrl)
  let pausedUntil = 0

  // What is wrong with an answer is found in here, not by jose, so that it is remembered like a failure to connect.
  const fetchKeys: FetchImplementation = async (_, { signal }) => {
    if (Date.now() < pausedUntil) throw new Error('the issuer was asked a moment ago, in vain')
    try {
      address ??= await discover(issuer, signal)
      return Response.json(await fetchDocument(address, keySetSchema, signal))
    } catch (error) {
      pausedUntil = Date.now() + (keys.fresh ? cooldownMs : awayPauseMs)
      throw error
    }
  }
  const keys = createRemoteJWKSet(new URL(keysUrl ?? issuer), {
    timeoutDuration: fetchMaxMs,
    cooldownDuration: cooldownMs,
    cacheMaxAge: keysMaxAgeMs,
    [customFetch]: fetchKeys,
  })

  return async (header, token) => {
    try {
      return await keys(header, token)
    } catch (cause) {
      if (isOfTheToken(cause)) throw cause
      throw new Error(`the keys of ${issuer} cannot be had`, { cause })
    }
  }
}

const isOfTheToken = (error: unknown): boolean =>
  error instanceof errors.JWKSNoMatchingKey ||
  error instanceof errors.JWKSMultipleMatchingKeys ||
  error instanceof errors.JOSENotSupported

/** @see https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationValidation */
const discover = async (issuer: string, signal: AbortSignal): Promise<URL> => {
  const document = await fetchDocument(discoveryUrl(issuer), discoverySchema, signal)
  if (document.issuer !== issuer) throw new Error(`the discovery document of ${issuer} is that of another issuer`)
  if (!isTrustworthyUrl(document.jwks_uri)) throw new Error(`the keys of ${issuer} are not behind https`)
  return new URL(document.jwks_uri)
}

const discoveryUrl = (issuer: string) => new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)

const fetchDocument = async <Schema extends z.ZodType>(
  url: URL,
  schema: Schema,
  signal: AbortSignal,
): Promise<z.infer<Schema>> => {
  const response = await fetch(url, { signal, redirect: 'manual', headers: { accept: 'application/json' } })
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new Error(`${url.href} answered ${response.status}`)
  }
  return schema.parse(JSON.parse(await boundedText(response, documentBytesMax)))
}
