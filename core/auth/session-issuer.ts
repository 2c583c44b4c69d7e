import { SignJWT } from 'jose'
import { accessTokenAudience, type Session } from '#contract/auth.ts'
import { type Cell, newId, type PlayerId, type SessionId } from '#contract/ids.ts'
import type { Secrets } from '#core/secrets.ts'
import type { Signer } from '#core/signing-keys.ts'
import type { Db } from '#db/client.ts'
import { insertSession } from '#db/sessions.ts'
import { encodeToken, firstToken, type RefreshToken, tokenHash } from './refresh-token.ts'

/** How long an access token lives; the longest that a revocation could go unnoticed by an edge that hears of nothing. */
export const accessLifeMs = 10 * 60_000
/** A session that is not refreshed for this long ends. Long enough for a player to skip a season. */
export const sessionLifeMs = 90 * 24 * 3_600_000

/** Who a session is for, and when. */
export type SessionOwner = { readonly playerId: PlayerId; readonly epoch: number; readonly now: Date }

export type SessionIssuer = {
  readonly secrets: Secrets
  /** Starts a session: stores it, and answers with its first tokens. */
  start(db: Db, owner: SessionOwner): Promise<Session>
  /** A new access token beside the given refresh token; stores nothing. */
  issue(owner: SessionOwner & { readonly sessionId: SessionId }, token: RefreshToken): Promise<Session>
}

export const createSessionIssuer = (options: {
  readonly cell: Cell
  readonly issuer: string
  readonly secrets: Secrets
  readonly signer: (nowMs: number) => Promise<Signer>
}): SessionIssuer => {
  const { cell, issuer, secrets } = options

  const issue: SessionIssuer['issue'] = async ({ playerId, sessionId, epoch, now }, token) => {
    const { keyId, key } = await options.signer(now.getTime())
    const accessExpiresAt = new Date(now.getTime() + accessLifeMs)
    const accessToken = await new SignJWT({ cell, sid: sessionId, epoch })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: keyId })
      .setSubject(playerId)
      .setIssuer(issuer)
      .setAudience(accessTokenAudience)
      .setIssuedAt(now)
      .setExpirationTime(accessExpiresAt)
      .sign(key)
    return {
      accessToken,
      accessExpiresAt: accessExpiresAt.toISOString(),
      refreshToken: encodeToken(secrets, token),
      cell,
      serverTime: now.toISOString(),
    }
  }

  return {
    secrets,
    issue,
    start: async (db, owner) => {
      const sessionId = newId('session', cell, owner.now.getTime())
      const token = firstToken(secrets, sessionId)
      await insertSession(db, {
        sessionId,
        playerId: owner.playerId,
        epoch: owner.epoch,
        generation: 0,
        tokenHash: tokenHash(token),
        usedAtMs: [],
        createdAt: owner.now,
        expiresAt: new Date(owner.now.getTime() + sessionLifeMs),
        revokedAt: null,
      })
      return issue({ ...owner, sessionId }, token)
    },
  }
}
