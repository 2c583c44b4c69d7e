import type { refreshSession as route, Session } from '#contract/auth.ts'
import { Fault } from '#contract/problem.ts'
import type { InputOf } from '#contract/route.ts'
import type { Context } from '#core/context.ts'
import { requireHome } from '#core/directory.ts'
import { endSession } from '#core/revocation.ts'
import type { Tx } from '#db/client.ts'
import { lockSession, rotateSession } from '#db/sessions.ts'
import { requireProof } from './device-proof.ts'
import { parseToken, type RefreshToken, successorOf, tokenHash } from './refresh-token.ts'
import { type SessionIssuer, sessionLifeMs } from './session-issuer.ts'
import type { SignIn } from './sign-in.ts'

/** How long a token works after its successor was used: an answer that was lost is asked for again within that. */
export const graceMs = 30_000
/** Uses that are remembered: nobody refreshes more often than once a second. */
const usesMax = 32

type Decision =
  | {
      readonly kind: 'issue'
      readonly token: RefreshToken
      readonly session: LockedSession
    }
  | { readonly kind: 'invalid' }
  | { readonly kind: 'reused' }

/**
 * Exchanges a refresh token for its successor. Called again, or by many at once, it answers with the same successor until
 * that is used, and for 30 s after; a token that comes later than that ends its session, for one of its two holders is a thief.
 *
 * The newest token of a session, which is nearly every one, is exchanged in one statement for all who come at the same time. What
 * that finds changed or held, or was never the newest, is decided with the session locked.
 *
 * @throws Fault `refresh_token_invalid` for what was never issued, or a session that has ended; `refresh_token_reused`;
 * `refresh_proof_invalid` for a session that is bound to a device's key; `misdirected` when another cell has the session
 */
export const refreshSession = async (
  { issuer, sets }: Pick<SignIn, 'issuer' | 'sets'>,
  ctx: Context,
  { refreshToken, proof }: InputOf<typeof route>['body'],
): Promise<Session> => {
  const token = parseToken(issuer.secrets, refreshToken)
  if (!token) throw new Fault('refresh_token_invalid')
  requireHome(ctx.cell, token.sessionId)

  const { now } = ctx
  // Before anything else: who has the token alone neither refreshes with it nor ends the session by reusing it.
  if (token.bound) await requireProof(ctx.db, token, { refreshToken, proof, now })
  const successor = successorOf(issuer.secrets, token)
  const expiresAt = new Date(now.getTime() + sessionLifeMs)
  const change = { from: tokenHash(token), to: tokenHash(successor), now, expiresAt, graceMs }
  const owner = await sets.rotate({ ...token, ...change, deadlineAt: ctx.deadlineAt })
  if (owner) return issuer.issue({ ...owner, sessionId: token.sessionId, now }, successor)

  const decision = await ctx.db.transaction((tx) => decide(tx, issuer, { token, now: ctx.now }))
  if (decision.kind === 'invalid') throw new Fault('refresh_token_invalid')
  if (decision.kind === 'reused')
    throw new Fault('refresh_token_reused', { detail: 'the session was ended; sign in again' })
  return issuer.issue({ ...decision.session, now: ctx.now }, decision.token)
}

const decide = async (
  tx: Tx,
  { secrets }: SessionIssuer,
  { token, now }: { token: RefreshToken; now: Date },
): Promise<Decision> => {
  const session = await lockSession(tx, token.sessionId)
  if (!session) return { kind: 'invalid' }
  const kind = judge(secrets, { token, session, now })
  if (kind === 'reused') await endSession(tx, { sessionId: session.sessionId, now })
  if (kind !== 'good') return { kind }

  const nowMs = now.getTime()
  const successor = successorOf(secrets, token)
  if (token.generation === session.generation) {
    await rotateSession(tx, session.sessionId, {
      generation: successor.generation,
      tokenHash: tokenHash(successor),
      usedAtMs: [nowMs, ...session.usedAtMs.filter((usedAt) => usedAt + graceMs > nowMs)].slice(0, usesMax),
      expiresAt: new Date(nowMs + sessionLifeMs),
    })
  }
  return { kind: 'issue', token: successor, session }
}

type LockedSession = NonNullable<Awaited<ReturnType<typeof lockSession>>>

/** What a token is worth: `good` for its successor, `reused` too late, or nothing, be it that its session has ended. */
export const judge = (
  secrets: SessionIssuer['secrets'],
  { token, session, now }: { readonly token: RefreshToken; readonly session: LockedSession; readonly now: Date },
): 'good' | 'invalid' | 'reused' => {
  if (session.revokedAt || session.expiresAt <= now || session.epoch !== session.playerEpoch) return 'invalid'
  const behind = session.generation - token.generation
  if (behind < 0) return 'invalid'
  // The successor of a token `behind` steps back was first used `usedAtMs[behind - 2]`; that of the last but one, not yet.
  const successorUsedAt = session.usedAtMs[behind - 2] ?? Number.NEGATIVE_INFINITY
  if (behind >= 2 && now.getTime() >= successorUsedAt + graceMs) return 'reused'
  return leadsTo(secrets, token, session) ? 'good' : 'invalid'
}

/** Whether the chain that goes on from a token reaches the newest one of its session. */
const leadsTo = (
  secrets: SessionIssuer['secrets'],
  token: RefreshToken,
  newest: { readonly generation: number; readonly tokenHash: string },
): boolean => {
  let link = token
  while (link.generation < newest.generation) link = successorOf(secrets, link)
  return tokenHash(link) === newest.tokenHash
}
