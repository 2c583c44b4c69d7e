import type { unlink as route } from '#contract/links.ts'
import { Fault } from '#contract/problem.ts'
import type { AnswerOf, InputOf } from '#contract/route.ts'
import { type Context, playerOf } from '#core/context.ts'
import type { Directory } from '#core/directory.ts'
import type { TurnBounds } from '#core/turns.ts'
import { type LinkRow, listCredentials } from '#db/credentials.ts'
import { deleteVerifiers } from '#db/passwords.ts'
import { hasBecome, lockPlayer } from '#db/players.ts'
import { admitToLinks, linkOf } from './link.ts'
import type { SignIn } from './sign-in.ts'

/**
 * An unlink holds one of the process's connections for transactions, eight as a rule, while it asks the control cell: for two
 * seconds and more where that is silent. Two leave the others to what can be done without it. Eight wait: players unlink now and then.
 */
export const unlinkTurns: TurnBounds = { runningMax: 2, waitingMax: 8, retryAfterMs: 2_000, what: 'unlinks' }

/**
 * Takes the caller's links of a provider away, or one of them. All of it happens with the player's row locked, so that two at
 * once cannot take the last two; a second one that waits for the control cell longer than half a second is `unavailable`.
 *
 * What is left must sign the caller in by the control cell's word: here the answer to an earlier call may have been lost. A crash
 * after a password was deleted leaves an address that opens nothing until it is unlinked again; one after the control
 * cell released a credential leaves it the caller's in this cell until the event, or a retry, tells.
 *
 * @throws Fault `not_found` where nothing is linked; `last_credential`; `token_invalid`, `too_many_requests`; `unavailable` when the
 * control cell does not answer
 */
export const unlink = async (
  { limiter, directory }: SignIn,
  ctx: Context,
  { params: { provider }, query: { linkId } }: InputOf<typeof route>,
): Promise<AnswerOf<typeof route>> => {
  const playerId = playerOf(ctx)
  await admitToLinks(limiter, ctx)
  return ctx.db.transaction(async (tx) => {
    if (!(await lockPlayer(tx, playerId))) throw new Fault('not_found')
    const rows = await listCredentials(tx, playerId)
    const isMeant = (row: LinkRow) => row.provider === provider && (linkId ?? linkOf(row).linkId) === linkOf(row).linkId
    const going = rows.filter(isMeant)
    const staying = rows.filter((row) => row.isUsable && !isMeant(row))
    if (going.length === 0) throw new Fault('not_found', { detail: 'nothing such is linked' })
    if (!(await signsIn(directory, ctx, staying))) throw new Fault('last_credential')
    // Committed at once, and before the address is anybody's again: to its next owner's account this password must not open.
    await deleteVerifiers(ctx.db, going)
    for (const credential of going) await directory.release(credential, playerId, ctx)
    return { links: staying.map(linkOf) }
  })
}

/** Whether one of these is still the caller's. */
const signsIn = async (directory: Directory, ctx: Context, rows: readonly LinkRow[]): Promise<boolean> => {
  const playerId = playerOf(ctx)
  for (const row of rows) {
    const owner = await directory.find(row, ctx)
    // Of a merge the control cell may hear later.
    if (owner && (owner === playerId || (await hasBecome(ctx.db, { from: owner, to: playerId })))) return true
  }
  return false
}
