import type { signInWithDevice as route, SignInAnswer } from '#contract/auth.ts'
import { newId } from '#contract/ids.ts'
import { Fault } from '#contract/problem.ts'
import type { InputOf } from '#contract/route.ts'
import type { Context } from '#core/context.ts'
import type { Limiter } from '#core/limiter.ts'
import { ownProfileOf } from '#core/profile.ts'
import { sha256 } from '#core/secrets.ts'
import { emit } from '#core/write.ts'
import { type Credential, claimCredential, findPlayerByCredential, insertPlayer, type PlayerRow } from '#db/players.ts'
import { insertWallet } from '#db/wallet.ts'
import type { SessionIssuer } from './session-issuer.ts'

type Input = InputOf<typeof route>['body']

/** What signing in needs beside the request. */
export type SignIn = { readonly issuer: SessionIssuer; readonly limiter: Limiter }

/** A device that starts signs in once; more than this is a client in a loop, and each sign-in leaves a session behind. */
const limitPerCredential = { burst: 60, intervalMs: 2_000 }

/**
 * Finds the player of a device, or makes one, and starts a session.
 *
 * Of two first sign-ins of one device at once, one makes the player and the other finds them: the credential's primary key
 * decides, and the loser's transaction leaves nothing.
 *
 * @throws Fault `not_found` when the device is unknown and `create` is false; `too_many_requests`
 */
export const signInWithDevice = async (
  { issuer, limiter }: SignIn,
  ctx: Context,
  input: Input,
): Promise<SignInAnswer> => {
  const credential = { provider: 'device', credentialHash: sha256('device:', input.deviceId) }
  const retryAfterMs = await limiter.take(`sign-in:${credential.credentialHash}`, limitPerCredential, ctx.now.getTime())
  if (retryAfterMs > 0) throw new Fault('too_many_requests', { retryAfterMs })
  const known = await findPlayerByCredential(ctx.db, credential)
  if (known) return answer(issuer, ctx, { player: known, created: false })
  if (!input.create) throw new Fault('not_found', { detail: 'no player has this device' })

  const created = await createPlayer(ctx, credential, input.displayName)
  if (created) return answer(issuer, ctx, { player: created, created: true })
  const winner = await findPlayerByCredential(ctx.db, credential)
  if (!winner) throw new Error('a credential was taken and belongs to nobody')
  return answer(issuer, ctx, { player: winner, created: false })
}

const answer = async (
  issuer: SessionIssuer,
  ctx: Context,
  { player, created }: { player: PlayerRow; created: boolean },
) => {
  const session = await issuer.start(ctx.db, { playerId: player.playerId, epoch: player.epoch, now: ctx.now })
  return { player: ownProfileOf(player), created, ...session }
}

/** The new player, or undefined when somebody else claimed the credential first. */
const createPlayer = async (
  ctx: Context,
  credential: Credential,
  displayName: string | undefined,
): Promise<PlayerRow | undefined> => {
  const { now, cell } = ctx
  const playerId = newId('player', cell, now.getTime())
  const version = now.getTime()
  try {
    return await ctx.db.transaction(async (tx) => {
      const player = await insertPlayer(tx, {
        playerId,
        displayName: displayName ?? guestName(playerId),
        version,
        createdAt: now,
      })
      if (!(await claimCredential(tx, credential, { playerId, now }))) throw new Taken()
      await insertWallet(tx, playerId, version)
      const data = { playerId, displayName: player.displayName }
      await emit(tx, ctx, [
        // The tag moves too: somebody may have cached that there is no such player.
        {
          type: 'perigee.player.created.v1',
          aggregate: `player:${playerId}`,
          version,
          data,
          moved: [{ tag: `player:${playerId}`, version }],
        },
      ])
      return player
    })
  } catch (error) {
    if (error instanceof Taken) return undefined
    throw error
  }
}

class Taken extends Error {}

const guestName = (playerId: string) => `Guest ${playerId.slice(-6).toUpperCase()}`
