import { cellOf, type PlayerId } from '#contract/ids.ts'
import type { Merge, mergeAccounts as route } from '#contract/merge.ts'
import { Fault } from '#contract/problem.ts'
import type { InputOf } from '#contract/route.ts'
import { type Context, playerOf } from '#core/context.ts'
import { ownProfileOf } from '#core/profile.ts'
import { endAllSessions } from '#core/revocation.ts'
import { transferAll } from '#core/value.ts'
import type { NewEvent, Outcome } from '#core/write.ts'
import type { Tx } from '#db/client.ts'
import { forgetPlayer } from '#db/erase.ts'
import { entombPlayer, lockPlayers, type PlayerRow } from '#db/players.ts'
import { findSessionOwner, lockSession } from '#db/sessions.ts'
import { requireProof } from './device-proof.ts'
import { judge } from './refresh-session.ts'
import { parseToken, type RefreshToken } from './refresh-token.ts'
import { requireAdmitted, type SignIn } from './sign-in.ts'

type Deps = Pick<SignIn, 'issuer' | 'directory'>
type Body = InputOf<typeof route>['body']

/**
 * Makes the account whose session the caller shows a part of the caller's own, in one transaction: value, credentials, sessions
 * and the tombstone commit together, and the control cell hears of the credentials by the event.
 *
 * Rows are locked in this order, here and wherever else more than one of them is: players by id, sessions, credentials, wallets
 * by id. Two merges of the same accounts at once wait for each other, and the second finds a tombstone: its own caller's
 * (`not_found`), or the other's, whose session has ended (`refresh_token_invalid`).
 *
 * Refuses with `refresh_token_invalid` for what a refresh would not exchange, ending nothing; `refresh_proof_invalid`,
 * `merge_across_cells`, `invalid_request` for the caller's own account, `player_banned`, `deletion_pending`,
 * `balance_cap_exceeded`, `not_found`.
 * @see docs/decisions/0019-a-merge-is-one-transaction-in-one-cell.md
 */
export const mergeAccounts = async (
  deps: Deps,
  tx: Tx,
  { ctx, body }: { readonly ctx: Context; readonly body: Body },
): Promise<Outcome<Merge>> => {
  try {
    const token = await requireToken(deps, tx, { ctx, body })
    const { mine, other } = await lockBoth(deps, tx, { ctx, token })
    return await merge(deps, tx, { ctx, mine, other })
  } catch (error) {
    if (error instanceof Fault) return { kind: 'refused', fault: error }
    throw error
  }
}

/** The token as it was presented. Whether its session stands can only be told with the rows locked. */
const requireToken = async (
  { issuer }: Deps,
  tx: Tx,
  { ctx: { cell, now }, body: { refreshToken, proof } }: { readonly ctx: Context; readonly body: Body },
): Promise<RefreshToken> => {
  const token = parseToken(issuer.secrets, refreshToken)
  if (!token) throw new Fault('refresh_token_invalid')
  if (cellOf(token.sessionId) !== cell)
    throw new Fault('merge_across_cells', { extras: { cell: cellOf(token.sessionId) } })
  if (token.bound) await requireProof(tx, token, { refreshToken, proof, now })
  return token
}

const lockBoth = async (
  { issuer }: Deps,
  tx: Tx,
  { ctx, token }: { readonly ctx: Context; readonly token: RefreshToken },
): Promise<{ readonly mine: PlayerRow; readonly other: PlayerRow }> => {
  const { now } = ctx
  const myId = playerOf(ctx)
  const otherId = await findSessionOwner(tx, token.sessionId)
  if (!otherId) throw new Fault('refresh_token_invalid')
  if (otherId === myId) throw ownAccount()

  const rows = await lockPlayers(tx, [myId, otherId])
  const mine = rows.get(myId)
  const other = rows.get(otherId)
  if (!mine || mine.deletedAt) throw new Fault('not_found')
  // As of the locked rows: a session that ended before we had them is no proof.
  const session = await lockSession(tx, token.sessionId)
  if (!other || !session || judge(issuer.secrets, { token, session, now }) !== 'good')
    throw new Fault('refresh_token_invalid')
  for (const player of [mine, other]) requireAdmitted(player, now)
  return { mine, other }
}

const ownAccount = () =>
  new Fault('invalid_request', {
    errors: [{ in: 'body', pointer: '/refreshToken', detail: 'a session of the very account that calls' }],
  })

const merge = async (
  { directory }: Deps,
  tx: Tx,
  { ctx, mine, other }: { readonly ctx: Context; readonly mine: PlayerRow; readonly other: PlayerRow },
): Promise<Outcome<Merge>> => {
  const [from, to] = [other.playerId, mine.playerId]
  await endAllSessions(tx, { playerId: from, now: ctx.now })
  await directory.moveIn(tx, { from, to }, ctx)
  const version = await entombPlayer(tx, { playerId: from, mergedInto: to, now: ctx.now })
  // After the credentials have moved: what waits to be told of those is about a player who stays.
  await forgetPlayer(tx, other)
  // Last, for others grant and spend meanwhile.
  const { balances, events } = await transferAll(tx, ctx, { from, to, reason: 'merge' })
  return {
    kind: 'applied',
    answer: { player: ownProfileOf(mine), balances: [...balances], merged: from },
    events: [mergedEvent({ from, to, version }), ...events],
  }
}

const mergedEvent = ({
  from,
  to,
  version,
}: {
  readonly from: PlayerId
  readonly to: PlayerId
  readonly version: number
}): NewEvent => ({
  type: 'perigee.player.merged.v1',
  aggregate: `player:${from}`,
  version,
  data: { playerId: from, mergedInto: to },
  moved: [{ tag: `player:${from}`, version }],
})
