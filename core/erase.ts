import type { PlayerId } from '#contract/ids.ts'
import type { Tx } from '#db/client.ts'
import { erasePlayer } from '#db/erase.ts'
import { lockPlayer } from '#db/players.ts'
import { endAllSessions } from './revocation.ts'
import type { NewEvent } from './write.ts'

/**
 * Takes away all that is known of a player but the ledger, which holds no word about them, and answers with the event that says
 * so. Undefined when there is no such player, or no longer.
 *
 * Their credentials are released afterwards: those are the control cell's to give back, and it may be away (`core/eraser.ts`).
 * @see docs/architecture.md, Bans, deletion, merges
 */
export const erase = async (
  tx: Tx,
  { playerId, now }: { readonly playerId: PlayerId; readonly now: Date },
): Promise<NewEvent | undefined> => {
  const player = await lockPlayer(tx, playerId)
  if (!player) return undefined
  // Before their rows go: edges refuse the access tokens by the epoch that this leaves behind.
  await endAllSessions(tx, { playerId, now })
  const version = await erasePlayer(tx, player, now)
  return {
    type: 'perigee.player.deleted.v1',
    aggregate: `player:${playerId}`,
    version,
    data: { playerId },
    moved: [{ tag: `player:${playerId}`, version }],
  }
}
