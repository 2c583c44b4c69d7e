import { createLocalJWKSet, errors as joseErrors, jwtVerify } from 'jose'
import * as z from 'zod'
import { accessTokenAudience } from '#contract/auth.ts'
import type { EdgePrincipal } from '#contract/edge-request.ts'
import { cellSchema, playerIdSchema, sessionIdSchema } from '#contract/ids.ts'
import { Fault } from '#contract/problem.ts'
import type { Document, Documents } from './document.ts'
import type { Exchange } from './exchange.ts'

export type PlayerPrincipal = Extract<EdgePrincipal, { kind: 'player' }>

/** Who a bearer token speaks for. @throws Fault `token_invalid`, `token_expired` */
export type VerifySession = (exchange: Exchange, token: string) => Promise<PlayerPrincipal>

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

/**
 * Verifies ES256 access tokens against the JWKS document, each token once: a verified one is remembered until it expires. A
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

  return async (exchange, token) => {
    const known = remembered.get(token)
    if (known) {
      if (known.until > Date.now()) return known.principal
      remembered.delete(token)
      throw new Fault('token_expired')
    }
    const { payload } = await verify(exchange, token).catch((cause: unknown) => {
      if (cause instanceof joseErrors.JWTExpired) throw new Fault('token_expired', { cause })
      if (cause instanceof joseErrors.JOSEError) throw new Fault('token_invalid', { cause })
      throw cause
    })
    const claims = claimsSchema.safeParse(payload)
    if (!claims.success) throw new Fault('token_invalid', { cause: claims.error })
    const { sub, sid, epoch, exp } = claims.data
    const principal: PlayerPrincipal = { kind: 'player', playerId: sub, sessionId: sid, epoch }
    if (remembered.size >= rememberedMax) remembered.delete(remembered.keys().next().value ?? '')
    remembered.set(token, { principal, until: (exp + clockToleranceSeconds) * 1_000 })
    return principal
  }
}
