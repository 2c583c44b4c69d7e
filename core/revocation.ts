import type { PlayerId, SessionId } from '#contract/ids.ts'
import type { Revocations } from '#contract/platform.ts'
import type { Db, Tx } from '#db/client.ts'
import { insertRevocation, listRevocations } from '#db/revocations.ts'
import { endSessionsOf, revokeSession } from '#db/sessions.ts'

/** How long an access token lives; the longest that a revocation could go unnoticed by an edge that hears of nothing. */
export const accessLifeMs = 10 * 60_000
/** How long edges are told of a revocation: the life of a token that was issued just before, and more than clocks differ by. */
export const revocationLifeMs = accessLifeMs + 60_000

/** Ends a session: its chain of refresh tokens at once, its access token as soon as edges have heard. Idempotent. */
export const endSession = async (
  tx: Tx,
  { sessionId, now }: { readonly sessionId: SessionId; readonly now: Date },
): Promise<void> => {
  await revokeSession(tx, sessionId, now)
  await insertRevocation(tx, { revokedId: sessionId, epoch: 0, revokedAt: now })
}

/** Ends every session that a player has now. */
export const endAllSessions = async (
  tx: Tx,
  { playerId, now }: { readonly playerId: PlayerId; readonly now: Date },
): Promise<void> => {
  const epoch = await endSessionsOf(tx, { playerId, now })
  await insertRevocation(tx, { revokedId: playerId, epoch, revokedAt: now })
}

/** Ends every session that a player has now but one, whose access token is refused from then on, and its refresh token is not. */
export const endOtherSessions = async (
  tx: Tx,
  { playerId, sessionId, now }: { readonly playerId: PlayerId; readonly sessionId: SessionId; readonly now: Date },
): Promise<void> => {
  const epoch = await endSessionsOf(tx, { playerId, now, kept: sessionId })
  await insertRevocation(tx, { revokedId: playerId, epoch, revokedAt: now })
}

/** The document that edges refuse tokens by: all that was revoked while a token of then may still live. */
export const revocationsOf = async (db: Db, now: Date): Promise<Revocations> => {
  const rows = await listRevocations(db, new Date(now.getTime() - revocationLifeMs))
  const players = new Map<string, number>()
  for (const { revokedId, epoch } of rows)
    if (epoch > 0) players.set(revokedId, Math.max(players.get(revokedId) ?? 0, epoch))
  return {
    sessions: rows.filter(({ epoch }) => epoch === 0).map(({ revokedId }) => revokedId),
    players: [...players].map(([playerId, epoch]) => ({ playerId, epoch })),
  }
}
