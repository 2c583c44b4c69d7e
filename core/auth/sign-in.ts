import type { SignInAnswer } from '#contract/auth.ts'
import { newId, type PlayerId } from '#contract/ids.ts'
import { Fault } from '#contract/problem.ts'
import type { Context } from '#core/context.ts'
import { takeBackDeletion } from '#core/deletion.ts'
import { type Directory, requireHome } from '#core/directory.ts'
import { type DisplayNames, requireAllowed } from '#core/display-names.ts'
import { ownProfileOf } from '#core/profile.ts'
import type { NewEvent } from '#core/write.ts'
import type { Database } from '#db/client.ts'
import type { Credential } from '#db/credentials.ts'
import { findSuccessor, type PlayerRow } from '#db/players.ts'
import type { NewPlayer } from '#db/register.ts'
import type { DeviceKey } from '#db/sessions.ts'
import type { ProvenCredential, SignInAttempt } from '#db/sign-in.ts'
import type { GuessLimits } from './guess-limits.ts'
import type { IdTokens } from './id-token.ts'
import type { Passwords } from './password.ts'
import type { SessionIssuer } from './session-issuer.ts'
import type { SessionSets } from './session-sets.ts'

/** What signing in needs beside the request. */
export type SignIn = GuessLimits & {
  readonly issuer: SessionIssuer
  readonly passwords: Passwords
  readonly idTokens: IdTokens
  readonly sets: SessionSets
  readonly database: Database
  readonly directory: Directory
  readonly names: DisplayNames
}

/** What a sign-in may ask for, whatever it signs in with. */
export type SignInOptions = {
  /** Whether a player is made where the credential is nobody's. */
  readonly create: boolean
  readonly displayName?: string | undefined
  /** Whether a deletion that was asked for is taken back. */
  readonly restore: boolean
  /** What the session is to be bound to; refreshes then need a proof by it. */
  readonly deviceKey?: DeviceKey | undefined
}

/**
 * Finds the player whose a credential is, or makes one, and starts a session.
 *
 * Of two first sign-ins with one credential at once, one makes the player and the other finds them: the primary key of the
 * control cell's directory decides, and the loser's statement leaves nothing. Who is known signs in without the control
 * cell.
 *
 * @throws Fault `not_found` when the credential is nobody's and `create` is false; `misdirected` when the player lives in
 * another cell; `player_banned`, `deletion_pending`; `display_name_not_allowed` when a player would be made of that name;
 * `unavailable` when nobody here knows the credential and the control cell does not answer
 */
export const signIn = async (
  deps: SignIn,
  ctx: Context,
  credential: Credential,
  options: SignInOptions,
): Promise<SignInAnswer> => {
  const answer = await trySignIn(deps, ctx, { ...credential, verifier: null }, options)
  if (answer === 'outdated') throw new Error('what needs no password was refused for another one')
  return answer
}

/**
 * As `signIn`, with a password: `outdated`, and nothing done, when by now the address is somebody's with another one, or with
 * `create: false` nobody's. Never Fault `not_found`.
 */
export const trySignIn = async (
  deps: SignIn,
  ctx: Context,
  credential: ProvenCredential,
  options: SignInOptions,
): Promise<SignInAnswer | 'outdated'> => {
  const { now } = ctx
  const { session, token } = deps.issuer.first(now, options.deviceKey)
  const found = await findOrMake(deps, ctx, { credential, session, options })
  if (found === 'outdated') return found
  const { player, created } = found
  requireAdmitted(player, now)
  const { playerId, epoch } = player
  const tokens = await deps.issuer.issue({ playerId, epoch, sessionId: session.sessionId, now }, token)
  return { player: ownProfileOf(player), created, ...tokens }
}

type Attempt = SignInAttempt & { readonly options: SignInOptions }

const findOrMake = async (
  { sets, directory, names }: SignIn,
  ctx: Context,
  { credential, session, options }: Attempt,
): Promise<{ readonly player: PlayerRow; readonly created: boolean } | 'outdated'> => {
  const { cell, now, deadlineAt } = ctx
  const find = async (): Promise<PlayerRow | 'outdated' | undefined> => {
    const found = await sets.signIn({ credential, session, deadlineAt })
    if (found && !found.player) requireHome(cell, found.owner)
    if (!found?.player) return undefined
    return found.isProven || found.player.deletedAt ? found.player : 'outdated'
  }
  const findCurrent = async () => {
    let found = await find()
    while (isTombstone(found) && (await moveToSuccessor(directory, ctx, found.playerId))) found = await find()
    return found
  }
  const findRestored = async () => {
    const found = await findCurrent()
    if (!found || found === 'outdated' || !options.restore || !isRestorable(found, now)) return found
    await takeBackDeletion(ctx, found.playerId)
    return find()
  }
  const known = await findRestored()
  if (known === 'outdated') return known
  if (known && !known.deletedAt) return { player: known, created: false }

  if (!options.create) {
    if (credential.verifier !== null) return 'outdated'
    // Another cell may have made the player a moment ago.
    const owner = known ? undefined : await directory.find(credential, ctx)
    if (owner) requireHome(cell, owner)
    throw new Fault('not_found', { detail: 'no player signs in with this' })
  }
  // Not before: who is there already signs in, whatever words the deployment has forbidden since.
  if (options.displayName !== undefined) requireAllowed(names, options.displayName)
  if (known) await directory.release(credential, known.playerId, ctx)
  const { playerId, claim } = await directory.place(credential, newId('player', cell, now.getTime()), ctx)
  requireHome(cell, playerId)
  const made = await sets.register({
    credential,
    session,
    player: newPlayer(ctx, playerId, options),
    claim,
    deadlineAt,
  })
  // Whoever took the credential in between has committed by now.
  const player = made ?? (await find())
  if (player === 'outdated') return player
  if (!player) throw new Error('a credential was taken and belongs to nobody')
  // The control cell names somebody else than this cell, which has begun no session for who is no more.
  if (player.deletedAt) throw new Fault('unavailable', { detail: 'the credential changes hands' })
  return { player, created: made !== undefined }
}

const isTombstone = (found: PlayerRow | 'outdated' | undefined): found is PlayerRow =>
  found !== undefined && found !== 'outdated' && found.deletedAt !== null

const isBanned = ({ bannedUntil }: PlayerRow, now: Date) => bannedUntil !== null && bannedUntil > now

/** Who is banned is told so, and has taken nothing back by asking. */
const isRestorable = (player: PlayerRow, now: Date) =>
  player.deleteAt !== null && player.deletedAt === null && !isBanned(player, now)

/**
 * Where news of a credential and a merge have crossed, a credential is of somebody who has become another: it is moved once
 * more. False where nothing has become of them.
 */
const moveToSuccessor = async (directory: Directory, ctx: Context, from: PlayerId): Promise<boolean> => {
  const to = await findSuccessor(ctx.db, from)
  if (to) await ctx.db.transaction((tx) => directory.moveIn(tx, { from, to }, ctx))
  return to !== undefined
}

/** Lets pass who may be signed in. @throws Fault `player_banned`, `deletion_pending` */
export const requireAdmitted = (player: PlayerRow, now: Date): void => {
  const { bannedUntil, banReason, deleteAt } = player
  if (bannedUntil && isBanned(player, now))
    throw new Fault('player_banned', { extras: { bannedUntil: bannedUntil.toISOString(), reason: banReason ?? '' } })
  if (deleteAt) throw new Fault('deletion_pending', { extras: { deleteAt: deleteAt.toISOString() } })
}

const newPlayer = ({ now, cell, traceparent }: Context, playerId: PlayerId, options: SignInOptions): NewPlayer => {
  const version = now.getTime()
  const displayName = options.displayName ?? guestName(playerId)
  const event: NewEvent = {
    type: 'perigee.player.created.v1',
    aggregate: `player:${playerId}`,
    version,
    data: { playerId, displayName },
    // The tag moves too: somebody may have cached that there is no such player.
    moved: [{ tag: `player:${playerId}`, version }],
  }
  return { playerId, displayName, version, event: { ...event, eventId: newId('event', cell, version), traceparent } }
}

const guestName = (playerId: string) => `Guest ${playerId.slice(-6).toUpperCase()}`
