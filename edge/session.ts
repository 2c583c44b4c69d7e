import { createLocalJWKSet, decodeProtectedHeader, errors as joseErrors, jwtVerify } from 'jose'
import * as z from 'zod'
import { accessTokenAudience } from '#contract/auth.ts'
import type { EdgePrincipal } from '#contract/edge-request.ts'
import { type Cell, cellOf, cellSchema, keyIdSchema, playerIdSchema, sessionIdSchema } from '#contract/ids.ts'
import { Fault } from '#contract/problem.ts'
import type { Cells } from './cells.ts'
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
 * Verifies ES256 access tokens against the keys of the cell that they name, each token once a minute. A token of an unknown
 * key makes the isolate ask that cell for newer keys, at most once in ten seconds.
 *
 * A cell signs for its own players alone, so nothing has to be replicated before a new key can be used, and what leaks in
 * one cell is good for no player of another.
 */
export const createVerifySession = ({
  documents,
  cells,
  issuer,
}: {
  readonly documents: Documents
  readonly cells: Pick<Cells, 'find'>
  readonly issuer: string
}): VerifySession => {
  const remembered = new Map<string, { principal: PlayerPrincipal; until: number }>()
  const keySets = new Map<Cell, { document: Document<'jwks'>; find: ReturnType<typeof createLocalJWKSet> }>()

  const keysOf = (cell: Cell, document: Document<'jwks'>) => {
    const known = keySets.get(cell)
    if (known?.document === document) return known.find
    const find = createLocalJWKSet(document.value)
    keySets.set(cell, { document, find })
    return find
  }

  /** The cell that signs with the key which a token names. */
  const signerOf = (token: string): Cell => {
    const keyId = keyIdSchema.safeParse(keyIdOf(token))
    const cell = keyId.success ? cells.find(cellOf(keyId.data)) : undefined
    if (!cell) throw new Fault('token_invalid')
    return cell
  }

  const verify = async (exchange: Exchange, token: string, signer: Cell) => {
    const options = {
      algorithms: ['ES256'],
      issuer,
      audience: accessTokenAudience,
      clockTolerance: clockToleranceSeconds,
      requiredClaims: ['exp', 'sub'],
    }
    try {
      return await jwtVerify(token, keysOf(signer, await documents.get('jwks', exchange, signer)), options)
    } catch (error) {
      if (!(error instanceof joseErrors.JWKSNoMatchingKey)) throw error
      return jwtVerify(token, keysOf(signer, await documents.getNewer('jwks', exchange, signer)), options)
    }
  }

  const verifyOnce = async (exchange: Exchange, authorization: string): Promise<PlayerPrincipal> => {
    const token = bearerOf(authorization)
    const signer = signerOf(token)
    const { payload } = await verify(exchange, token, signer).catch((cause: unknown) => {
      if (cause instanceof joseErrors.JWTExpired) throw new Fault('token_expired', { cause })
      if (cause instanceof joseErrors.JOSEError) throw new Fault('token_invalid', { cause })
      throw cause
    })
    const claims = claimsSchema.safeParse(payload)
    if (!claims.success) throw new Fault('token_invalid', { cause: claims.error })
    const { sub, sid, epoch, exp } = claims.data
    if (cellOf(sub) !== signer) throw new Fault('token_invalid', { detail: 'signed by another cell than the player’s' })
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

const keyIdOf = (token: string): unknown => {
  try {
    return decodeProtectedHeader(token).kid
  } catch {
    return undefined
  }
}

const bearerPattern = /^Bearer ([\x21-\x7e]{1,4096})$/i

/** The token of an `Authorization` header. @throws Fault `unauthenticated` */
export const bearerOf = (authorization: string): string => {
  const bearer = bearerPattern.exec(authorization)?.[1]
  if (!bearer) throw new Fault('unauthenticated', { detail: 'send Authorization: Bearer …' })
  return bearer
}
