import type { PlayerId } from '#contract/ids.ts'
import type { Context } from '#core/context.ts'
import { takeBackDeletion } from '#core/deletion.ts'
import { type Directory, requireHome } from '#core/directory.ts'
import { findSuccessor, type PlayerRow } from '#db/players.ts'
import type { SignInAttempt } from '#db/sign-in.ts'
import type { SessionSets } from './session-sets.ts'
import type { SignInOptions } from './sign-in.ts'

/** A credential that was shown, the session that is to begin, and what is asked for beside. */
export type Attempt = SignInAttempt & { readonly options: SignInOptions }

/** `outdated`: the password was checked against another one than is good now. */
type FoundPlayer = PlayerRow | 'outdated' | undefined

/**
 * Whose a credential is in this cell, and where they may sign in, the session has begun. A tombstone, where it is of somebody who is
 * no more and has become nobody; undefined for nobody's.
 * @throws Fault `misdirected` for a player of another cell
 */
export const findOnce = async (sets: SessionSets, ctx: Context, attempt: SignInAttempt): Promise<FoundPlayer> => {
  const { cell, deadlineAt } = ctx
  const found = await sets.signIn({ ...attempt, deadlineAt })
  if (found && !found.player) requireHome(cell, found.owner)
  if (!found?.player) return undefined
  return found.isProven || found.player.deletedAt ? found.player : 'outdated'
}

/**
 * As `findOnce`, after what is to be put right first: a credential of somebody who has become another is the other's, and a
 * deletion is taken back where that was asked for.
 */
export const findPlayer = async (
  { sets, directory }: { readonly sets: SessionSets; readonly directory: Directory },
  ctx: Context,
  { options, ...attempt }: Attempt,
): Promise<FoundPlayer> => {
  const find = () => findOnce(sets, ctx, attempt)
  let found = await find()
  while (isTombstone(found) && (await moveToSuccessor(directory, ctx, found.playerId))) found = await find()
  if (!found || found === 'outdated' || !options.restore || !isRestorable(found, ctx.now)) return found
  await takeBackDeletion(ctx, found.playerId)
  return find()
}

const isTombstone = (found: FoundPlayer): found is PlayerRow =>
  found !== undefined && found !== 'outdated' && found.deletedAt !== null

export const isBanned = ({ bannedUntil }: PlayerRow, now: Date): boolean => bannedUntil !== null && bannedUntil > now

/** Who is banned is told so, and has taken nothing back by asking. */
const isRestorable = (player: PlayerRow, now: Date) =>
  player.deleteAt !== null && player.deletedAt === null && !isBanned(player, now)

/**
 * Where news of a credential and a merge have crossed, a credential is of somebody who has become another: it is moved once
 * more. False where nothing has become of them. No merge leads back, so this comes to an end.
 */
const moveToSuccessor = async (directory: Directory, ctx: Context, from: PlayerId): Promise<boolean> => {
  const to = await findSuccessor(ctx.db, from)
  if (to) await ctx.db.transaction((tx) => directory.moveIn(tx, { from, to }, ctx))
  return to !== undefined
}
