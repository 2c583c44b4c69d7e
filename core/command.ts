import type { Moved } from '#contract/events.ts'
import { Fault } from '#contract/problem.ts'
import type { ClaimRow } from '#db/idempotency.ts'

/** One write as its caller sent it: who, under which key, and what was asked. */
export type Command = {
  /** `player:ply_…` or `key:key_…`: whose keys these are. */
  readonly principal: string
  readonly key: string
  /** SHA-256 of method, path and raw body, hex. */
  readonly fingerprint: string
  readonly requestId: string
  readonly traceparent: string
  readonly now: Date
  readonly deadlineAt: number
}

/** The answer of a write: the same bytes for every call with the same key. */
export type Written = {
  readonly status: number
  readonly contentType: string
  readonly body: string
  readonly moved: readonly Moved[]
  readonly replayed: boolean
}

/** How long a call waits for the first one with its key. */
export const inFlightWaitMs = 500

/** An earlier answer for the same request. @throws Fault `idempotency_mismatch` when the request was another */
export const replay = (claim: Omit<ClaimRow, 'principal' | 'key' | 'createdAt'>, fingerprint: string): Written => {
  if (claim.fingerprint !== fingerprint) throw new Fault('idempotency_mismatch')
  const { status, contentType, body, moved } = claim
  return { status, contentType, body, moved, replayed: true }
}
