import type { PlayerId } from '#contract/ids.ts'
import type { Tx } from '#db/client.ts'
import { changeStanding, lockPlayer } from '#db/players.ts'
import type { Context } from './context.ts'
import { endAllSessions } from './revocation.ts'
import { emit } from './write.ts'

/**
 * Puts a player's deletion down for a moment and ends all of their sessions. What was put down before stays as it is. Answers
 * when they will be erased; undefined when there is no such player.
 */
export const requestDeletion = async (
  tx: Tx,
  ctx: Pick<Context, 'cell' | 'now' | 'traceparent'>,
  { playerId, deleteAt }: { readonly playerId: PlayerId; readonly deleteAt: Date },
): Promise<Date | undefined> => {
  const player = await lockPlayer(tx, playerId)
  if (!player || player.deleteAt) return player?.deleteAt ?? undefined
  const version = await changeStanding(tx, { playerId, now: ctx.now }, { deleteAt })
  await endAllSessions(tx, { playerId, now: ctx.now })
  await emit(tx, ctx, [
    {
      type: 'perigee.player.deletion_requested.v1',
      aggregate: `player:${playerId}`,
      version,
      data: { playerId, deleteAt: deleteAt.toISOString() },
      moved: [],
    },
  ])
  return deleteAt
}

/** Takes a deletion back that was asked for. Of two at once one does, and where there is none to take back nothing happens. */
export const takeBackDeletion = (ctx: Context, playerId: PlayerId): Promise<void> =>
  ctx.db.transaction(async (tx) => {
    const player = await lockPlayer(tx, playerId)
    if (!player?.deleteAt) return
    const version = await changeStanding(tx, { playerId, now: ctx.now }, { deleteAt: null })
    await emit(tx, ctx, [
      {
        type: 'perigee.player.deletion_cancelled.v1',
        aggregate: `player:${playerId}`,
        version,
        data: { playerId },
        moved: [],
      },
    ])
  })
