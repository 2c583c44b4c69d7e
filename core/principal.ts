import { edgeHeaders, parsePrincipal } from '#contract/edge-request.ts'
import { Fault } from '#contract/problem.ts'
import { everyScope, isRole, reaches } from '#contract/rights.ts'
import type { Access, Route } from '#contract/route.ts'
import type { Db } from '#db/client.ts'
import { type ApiKeyRow, findLiveApiKey } from '#db/keys.ts'
import { isSessionLive } from '#db/sessions.ts'
import type { Principal } from './context.ts'
import { sha256 } from './secrets.ts'

/** How long a key that was found good is not looked up again; a revoked key works for that long at the most. */
const keyTrustMs = 1_000
/** Keys that are remembered. A deployment has tens. */
const keysMax = 1_000

/** Our own keys are far shorter. */
const bearerPattern = /^Bearer (\S{1,256})$/i

const accessOf: Record<Access, readonly Principal['kind'][]> = {
  public: ['public', 'client', 'player', 'server', 'operator'],
  client: ['client'],
  player: ['player'],
  app: ['client', 'player'],
  server: ['server'],
  operator: ['operator'],
}

export type PrincipalReader = (request: {
  readonly header: (name: string) => string | undefined
  readonly access: Access
  readonly now: Date
  /** Where a key is looked up that is not remembered. */
  readonly db: Db
}) => Promise<Principal>

/**
 * Turns what the edge vouches for into a principal. A player's token and a client's key were verified at the edge; a server's
 * or operator's key is verified here.
 *
 * The reader throws Fault `unauthenticated` or `key_invalid`.
 */
export const createPrincipalReader = (): PrincipalReader => {
  const remembered = new Map<string, { key: ApiKeyRow; until: number }>()

  const findKey = async (
    kind: 'server' | 'operator',
    bearer: string,
    { db, now }: { readonly db: Db; readonly now: Date },
  ): Promise<ApiKeyRow> => {
    const hash = sha256(bearer)
    const nowMs = now.getTime()
    const known = remembered.get(hash)
    if (known && known.until > nowMs && known.key.kind === kind) return known.key
    const key = await findLiveApiKey(db, { kind, hash, now })
    if (!key) throw new Fault('key_invalid')
    if (remembered.size >= keysMax) remembered.clear()
    const expiresAt = key.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY
    remembered.set(hash, { key, until: Math.min(nowMs + keyTrustMs, expiresAt) })
    return key
  }

  return async ({ header, access, now, db }) => {
    const stated = parsePrincipal(header(edgeHeaders.principal) ?? '')
    if (!stated || stated.kind === 'cell' || !accessOf[access].includes(stated.kind)) throw new Fault('unauthenticated')
    if (stated.kind !== 'server' && stated.kind !== 'operator') return stated
    const authorization = header('authorization')
    if (!authorization) throw new Fault('unauthenticated')
    const bearer = bearerPattern.exec(authorization)?.[1]
    if (!bearer) throw new Fault('key_invalid')
    const { keyId, scopes, role, operatorId } = await findKey(stated.kind, bearer, { db, now })
    if (stated.kind === 'server') return { kind: 'server', keyId, scopes }
    // A role that this release does not know allows nothing.
    if (!isRole(role)) throw new Fault('key_invalid')
    return { kind: 'operator', keyId, role, operatorId: operatorId ?? undefined }
  }
}

/**
 * The one place in which a route's scope or role is asked for.
 * @throws Fault `scope_missing` or `role_insufficient`, with what would do
 */
export const requireRights = ({ scope, role }: Pick<Route, 'scope' | 'role'>, principal: Principal): void => {
  if (scope) {
    const scopes = principal.kind === 'server' ? principal.scopes : []
    if (!scopes.includes(scope) && !scopes.includes(everyScope)) throw new Fault('scope_missing', { extras: { scope } })
  }
  if (role && !(principal.kind === 'operator' && reaches(principal.role, role)))
    throw new Fault('role_insufficient', { extras: { role } })
}

/** Whose idempotency keys a caller's are, and whose acts. An operator's stay theirs from one session to the next. */
export const principalName = (principal: Principal): string => {
  switch (principal.kind) {
    case 'player':
      return `player:${principal.playerId}`
    case 'operator':
      return principal.operatorId === undefined ? `key:${principal.keyId}` : `operator:${principal.operatorId}`
    case 'server':
    case 'client':
      return `key:${principal.keyId}`
    case 'public':
      return 'public'
  }
}

/**
 * A token outlives what it was issued for by up to ten minutes; a write asks again.
 * @throws Fault `token_invalid` when the session was revoked or has expired, or the player's epoch has moved
 */
export const requireLiveSession = async (db: Db, principal: Principal, now: Date): Promise<void> => {
  if (principal.kind !== 'player') return
  if (!(await isSessionLive(db, { ...principal, now }))) {
    throw new Fault('token_invalid', { detail: 'the session has ended; sign in again' })
  }
}
