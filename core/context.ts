import type { Floor, Place } from '#contract/edge-request.ts'
import type { Cell, KeyId, OperatorId, PlayerId, SessionId } from '#contract/ids.ts'
import type { Role } from '#contract/rights.ts'
import type { Db } from '#db/client.ts'
import type { Replica } from './replica.ts'
import type { Write } from './write.ts'

/** Who a request acts as, verified: a client app, a player, another backend, a person. */
export type Principal =
  | { readonly kind: 'public' }
  | { readonly kind: 'client'; readonly keyId: string }
  | { readonly kind: 'player'; readonly playerId: PlayerId; readonly sessionId: SessionId; readonly epoch: number }
  | { readonly kind: 'server'; readonly keyId: KeyId; readonly scopes: readonly string[] }
  | {
      readonly kind: 'operator'
      readonly keyId: KeyId
      readonly role: Role
      /** Undefined for a key that no sign-in made. */
      readonly operatorId: OperatorId | undefined
    }

/** What a verb knows of the request that it serves. */
export type Context = {
  /** The primary. For the verb of a cached read it is whichever server is asked. */
  readonly db: Db
  /** May answer cached reads, and nothing else; undefined where there is none. */
  readonly replica: Replica | undefined
  /** What an answer to a cached read must have reached. */
  readonly floor: Floor
  readonly write: Write
  readonly principal: Principal
  /** The revision that a change was made with in mind; `any` for whatever there is, undefined where the route asks for none. */
  readonly ifMatch: number | 'any' | undefined
  /** This core's cell. */
  readonly cell: Cell
  /** The caller's network address, for limits; undefined where the edge does not know it. */
  readonly address: string | undefined
  /** Where the caller is, as far as the edge knows. */
  readonly place: Place
  readonly requestId: string
  /** W3C trace context, carried into events. */
  readonly traceparent: string
  /** When the request arrived. */
  readonly now: Date
  /** When the caller stops to wait, ms since 1970. */
  readonly deadlineAt: number
}

/** The player of a request to a route whose access is `player`. */
export const playerOf = (ctx: Context): PlayerId => {
  if (ctx.principal.kind !== 'player') throw new Error(`a ${ctx.principal.kind} reached a route for players`)
  return ctx.principal.playerId
}

/** The operator of a request to a route whose access is `operator`. */
export const operatorOf = (ctx: Context): Extract<Principal, { kind: 'operator' }> => {
  if (ctx.principal.kind !== 'operator') throw new Error(`a ${ctx.principal.kind} reached a route for operators`)
  return ctx.principal
}
