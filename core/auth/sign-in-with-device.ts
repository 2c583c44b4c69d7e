import type { signInWithDevice as route, SignInAnswer } from '#contract/auth.ts'
import { newId } from '#contract/ids.ts'
import { Fault } from '#contract/problem.ts'
import type { InputOf } from '#contract/route.ts'
import type { Context } from '#core/context.ts'
import type { Limiter } from '#core/limiter.ts'
import { ownProfileOf } from '#core/profile.ts'
import { sha256 } from '#core/secrets.ts'
import type { NewEvent } from '#core/write.ts'
import type { Database } from '#db/client.ts'
import { type Registration, registerPlayer, signInByCredential } from '#db/sign-in.ts'
import type { SessionIssuer } from './session-issuer.ts'

type Input = InputOf<typeof route>['body']

/** What signing in needs beside the request. */
export type SignIn = { readonly issuer: SessionIssuer; readonly limiter: Limiter; readonly database: Database }

/** A device that starts signs in once; more than this is a client in a loop, and each sign-in leaves a session behind. */
const limitPerCredential = { burst: 60, intervalMs: 2_000 }

/**
 * Finds the player of a device, or makes one, and starts a session.
 *
 * Of two first sign-ins of one device at once, one makes the player and the other finds them: the credential's primary key
 * decides, and the loser's statement leaves nothing.
 *
 * @throws Fault `not_found` when the device is unknown and `create` is false; `too_many_requests`
 */
export const signInWithDevice = async (
  { issuer, limiter, database }: SignIn,
  ctx: Context,
  input: Input,
): Promise<SignInAnswer> => {
  const { now } = ctx
  const credential = { provider: 'device', credentialHash: sha256('device:', input.deviceId) }
  const retryAfterMs = await limiter.take(`sign-in:${credential.credentialHash}`, limitPerCredential, now.getTime())
  if (retryAfterMs > 0) throw new Fault('too_many_requests', { retryAfterMs })

  const { session, token } = issuer.first(now)
  const find = () => signInByCredential(database, credential, session)
  const known = await find()
  if (!known && !input.create) throw new Fault('not_found', { detail: 'no player has this device' })
  const made = known ? undefined : await registerPlayer(database, credential, { ...newPlayer(ctx, input), ...session })
  // Whoever took the credential in between has committed by now.
  const player = known ?? made ?? (await find())
  if (!player) throw new Error('a credential was taken and belongs to nobody')

  const { playerId, epoch } = player
  const tokens = await issuer.issue({ playerId, epoch, sessionId: session.sessionId, now }, token)
  return { player: ownProfileOf(player), created: made !== undefined, ...tokens }
}

const newPlayer = ({ now, cell, traceparent }: Context, input: Input): Registration => {
  const version = now.getTime()
  const playerId = newId('player', cell, version)
  const displayName = input.displayName ?? guestName(playerId)
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
