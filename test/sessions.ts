import { parseNamedKeys } from '#contract/edge-request.ts'
import type { PlayerId } from '#contract/ids.ts'
import { createSessionIssuer } from '#core/auth/session-issuer.ts'
import { createSecrets } from '#core/secrets.ts'
import { createSignerSource } from '#core/signing-keys.ts'
import { sessions } from '#db/sessions.ts'
import { cell, type World } from './harness.ts'

/** Access tokens of players as if they signed in `inMs` from now, so that none expires in the middle of a long run. */
export const startSessions = async (
  world: World,
  { players, inMs }: { readonly players: readonly PlayerId[]; readonly inMs: number },
): Promise<string[]> => {
  const secrets = createSecrets(parseNamedKeys(world.secrets.masterKeys))
  const { db } = world.database
  const signer = createSignerSource(db, secrets)
  const issuer = createSessionIssuer({ cell, issuer: world.edgeUrl, secrets, signer })
  const now = new Date(Date.now() + inMs)
  const start = async (playerId: PlayerId) => {
    const { session, token } = issuer.first(now)
    const { sessionId, tokenHash, expiresAt } = session
    const begun = { epoch: 0, generation: 0, usedAtMs: [], createdAt: now }
    await db.insert(sessions).values({ sessionId, playerId, tokenHash, expiresAt, ...begun })
    return (await issuer.issue({ playerId, sessionId, epoch: 0, now }, token)).accessToken
  }
  return Promise.all(players.map(start))
}
