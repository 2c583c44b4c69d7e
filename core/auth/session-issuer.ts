import { accessTokenAudience, type Session } from '#contract/auth.ts'
import { type Cell, newId, type PlayerId, type SessionId } from '#contract/ids.ts'
import { accessLifeMs } from '#core/revocation.ts'
import type { Secrets } from '#core/secrets.ts'
import type { Signer } from '#core/signing-keys.ts'
import type { DeviceKey } from '#db/sessions.ts'
import type { FirstSession } from '#db/sign-in.ts'
import { signToken } from './access-token.ts'
import { encodeToken, firstToken, type RefreshToken, tokenHash } from './refresh-token.ts'

/** A session that is not refreshed for this long ends. Long enough for a player to skip a season. */
export const sessionLifeMs = 90 * 24 * 3_600_000

/** Who a session is for, and when. */
export type SessionOwner = { readonly playerId: PlayerId; readonly epoch: number; readonly now: Date }

export type SessionIssuer = {
  readonly secrets: Secrets
  /** A session that is to begin, bound to a device's key where there is one, with the first token of its chain; stores nothing. */
  first(now: Date, deviceKey?: DeviceKey): { readonly session: FirstSession; readonly token: RefreshToken }
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

  const first: SessionIssuer['first'] = (now, deviceKey) => {
    const sessionId = newId('session', cell, now.getTime())
    const token = firstToken(secrets, sessionId, deviceKey !== undefined)
    const expiresAt = new Date(now.getTime() + sessionLifeMs)
    return { session: { sessionId, tokenHash: tokenHash(token), now, expiresAt, deviceKey: deviceKey ?? null }, token }
  }

  const issue: SessionIssuer['issue'] = async ({ playerId, sessionId, epoch, now }, token) => {
    const accessExpiresAt = new Date(now.getTime() + accessLifeMs)
    const accessToken = signToken(await options.signer(now.getTime()), {
      cell,
      sid: sessionId,
      epoch,
      sub: playerId,
      iss: issuer,
      aud: accessTokenAudience,
      iat: secondsOf(now),
      exp: secondsOf(accessExpiresAt),
    })
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
    first,
    issue,
  }
}

/** A NumericDate of RFC 7519, section 2. */
const secondsOf = (moment: Date) => Math.floor(moment.getTime() / 1_000)
