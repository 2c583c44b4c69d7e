import type { SignInAnswer } from '#contract/auth.ts'
import { newId, type PlayerId } from '#contract/ids.ts'
import { Fault } from '#contract/problem.ts'
import type { Context } from '#core/context.ts'
import { type Directory, requireHome } from '#core/directory.ts'
import { type DisplayNames, requireAllowed } from '#core/display-names.ts'
import { ownProfileOf } from '#core/profile.ts'
import type { NewEvent } from '#core/write.ts'
import type { Database } from '#db/client.ts'
import type { Credential } from '#db/credentials.ts'
import type { PlayerRow } from '#db/players.ts'
import type { NewPlayer } from '#db/register.ts'
import type { DeviceKey } from '#db/sessions.ts'
import type { ProvenCredential } from '#db/sign-in.ts'
import { type Attempt, findOnce, findPlayer, isBanned } from './find-player.ts'
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

const findOrMake = async (
  deps: SignIn,
  ctx: Context,
  attempt: Attempt,
): Promise<{ readonly player: PlayerRow; readonly created: boolean } | 'outdated'> => {
  const known = await findPlayer(deps, ctx, attempt)
  if (known === 'outdated') return known
  if (known && !known.deletedAt) return { player: known, created: false }

  if (!attempt.options.create) {
    if (attempt.credential.verifier !== null) return 'outdated'
    // Another cell may have made the player a moment ago.
    const owner = known ? undefined : await deps.directory.find(attempt.credential, ctx)
    if (owner) requireHome(ctx.cell, owner)
    throw new Fault('not_found', { detail: 'no player signs in with this' })
  }
  // Not before: who is there already signs in, whatever words the deployment has forbidden since.
  const { displayName } = attempt.options
  if (displayName !== undefined) requireAllowed(deps.names, displayName)
  if (known) await deps.directory.release(attempt.credential, known.playerId, ctx)
  return make(deps, ctx, attempt)
}

const make = async (
  { sets, directory }: SignIn,
  ctx: Context,
  { options, ...attempt }: Attempt,
): Promise<{ readonly player: PlayerRow; readonly created: boolean } | 'outdated'> => {
  const { cell, now, deadlineAt } = ctx
  const { playerId, claim } = await directory.place(attempt.credential, newId('player', cell, now.getTime()), ctx)
  requireHome(cell, playerId)
  const player = newPlayer(ctx, playerId, options)
  const made = await sets.register({ ...attempt, player, claim, deadlineAt })
  if (made) return { player: made, created: true }

  // Whoever took the credential in between has committed by now.
  const taken = await findOnce(sets, ctx, attempt)
  if (taken === 'outdated') return taken
  if (!taken) throw new Error('a credential was taken and belongs to nobody')
  // The control cell names somebody else than this cell, which has begun no session for who is no more.
  if (taken.deletedAt) throw new Fault('unavailable', { detail: 'the credential changes hands' })
  return { player: taken, created: false }
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
