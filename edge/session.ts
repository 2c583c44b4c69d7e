import { createLocalJWKSet, errors as joseErrors, jwtVerify } from 'jose'
import * as z from 'zod'
import { accessTokenAudience } from '#contract/auth.ts'
import type { EdgePrincipal } from '#contract/edge-request.ts'
import { cellSchema, playerIdSchema, sessionIdSchema } from '#contract/ids.ts'
import { Fault } from '#contract/problem.ts'
import type { Document, Documents } from './document.ts'
import type { Exchange } from './exchange.ts'

export type PlayerPrincipal = Extract<EdgePrincipal, { kind: 'player' }>

/** Who an `Authorization` header speaks for. @throws Fault `unauthenticated`, `token_invalid`, `token_expired` */
export type VerifySession = (exchange: Exchange, authorization: string) => PlayerPrincipal | Promise<PlayerPrincipal>

const claimsSchema = z.object({
  sub: playerIdSchema,
  sid: sessionIdSchema,
  cell: cellSchema,
  epoch: z.int().nonnegative(),
  exp: z.number(),
})

/** Clocks of signer and edge differ by less. */
const clockToleranceSeconds = 5
/** Tokens that an isolate remembers, about a kilobyte each. */
const rememberedMax = 10_000
/** After this a token is verified anew: the key that signed it may have been withdrawn. */
const rememberedMs = 60_000

/**
 * Verifies ES256 access tokens against the JWKS document, each token once a minute. A
 * token of an unknown key makes the isolate ask for newer keys, at most once in ten seconds.
 */
export const createVerifySession = ({
  documents,
  issuer,
}: {
  readonly documents: Documents
  readonly issuer: string
}): VerifySession => {
  const remembered = new Map<string, { principal: PlayerPrincipal; until: number }>()
  let keys: { document: Document<'jwks'>; find: ReturnType<typeof createLocalJWKSet> } | undefined

  const keysOf = (document: Document<'jwks'>) => {
    if (keys?.document !== document) keys = { document, find: createLocalJWKSet(document.value) }
    return keys.find
  }

  const verify = async (exchange: Exchange, token: string) => {
    const options = {
      algorithms: ['ES256'],
      issuer,
      audience: accessTokenAudience,
      clockTolerance: clockToleranceSeconds,
      requiredClaims: ['exp', 'sub'],
    }
    try {
      return await jwtVerify(token, keysOf(await documents.get('jwks', exchange)), options)
    } catch (error) {
      if (!(error instanceof joseErrors.JWKSNoMatchingKey)) throw error
      return jwtVerify(token, keysOf(await documents.getNewer('jwks', exchange)), options)
    }
  }

  const verifyOnce = async (exchange: Exchange, authorization: string): Promise<PlayerPrincipal> => {
    const { payload } = await verify(exchange, bearerOf(authorization)).catch((cause: unknown) => {
      if (cause instanceof joseErrors.JWTExpired) throw new Fault('token_expired', { cause })
      if (cause instanceof joseErrors.JOSEError) throw new Fault('token_invalid', { cause })
      throw cause
    })
    const claims = claimsSchema.safeParse(payload)
    if (!claims.success) throw new Fault('token_invalid', { cause: claims.error })
    const { sub, sid, epoch, exp } = claims.data
    const principal: PlayerPrincipal = { kind: 'player', playerId: sub, sessionId: sid, epoch }
    if (remembered.size >= rememberedMax) remembered.delete(remembered.keys().next().value ?? '')
    const expiresAt = (exp + clockToleranceSeconds) * 1_000
    remembered.set(authorization, { principal, until: Math.min(expiresAt, Date.now() + rememberedMs) })
    return principal
  }

  return (exchange, authorization) => {
    // By the whole header: to take it apart costs more than all else that a known session needs.
    const known = remembered.get(authorization)
    if (known && known.until > Date.now()) return known.principal
    remembered.delete(authorization)
    return verifyOnce(exchange, authorization)
  }
}

const bearerPattern = /^Bearer ([\x21-\x7e]{1,4096})$/i

/** The token of an `Authorization` header. @throws Fault `unauthenticated` */
export const bearerOf = (authorization: string): string => {
  const bearer = bearerPattern.exec(authorization)?.[1]
  if (!bearer) throw new Fault('unauthenticated', { detail: 'send Authorization: Bearer …' })
  return bearer
}
