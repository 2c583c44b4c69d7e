import { type Cell, cellOf, type PlayerId } from '#contract/ids.ts'
import type { Database, Tx } from '#db/client.ts'
import { deleteExposures, moveExposures } from '#db/exposures.ts'
import { deleteParticipations, moveParticipations } from '#db/participations.ts'
import { advancePlayer, findSuccessor, lockPlayer } from '#db/players.ts'
import { parseEvent } from './cloud-event.ts'
import type { Consumer } from './consumer.ts'

/**
 * After a merge makes what is kept beside a player's row theirs whom they became: the runs that they have joined, and the
 * exposures that they have reported. Of who became nobody it is deleted. To do it twice, or late, changes nothing: who is gone
 * joins and reports nothing any more.
 */
export const createBelongingsMover = ({
  cell,
  database,
  clock,
}: {
  readonly cell: Cell
  readonly database: Database
  readonly clock: () => number
}): Consumer => ({
  name: 'move-belongings',
  available: database.ping,
  handle: async (message) => {
    const event = parseEvent(message, ['perigee.player.merged.v1'])
    // All cells publish to one topic; each has the rows of its own players.
    if (!event || cellOf(event.data.playerId) !== cell) return
    await database.db.transaction((tx) => move(tx, event.data.playerId, new Date(clock())))
  },
})

const move = async (tx: Tx, from: PlayerId, now: Date): Promise<void> => {
  // Not whom the event names: they may be somebody else by now, and the news of that may have come before this.
  const to = await lockSuccessor(tx, from)
  if (!to) {
    await deleteParticipations(tx, from)
    await deleteExposures(tx, from)
    return
  }
  await moveExposures(tx, { from, to })
  // So that a join that is under way sees that the runs are others than it has read.
  if (await moveParticipations(tx, { from, to })) await advancePlayer(tx, { playerId: to, by: 1, now })
}

/** Whom a player has become, locked. Who is gone once their row is had has become somebody else, or nobody: no merge leads back. */
const lockSuccessor = async (tx: Tx, from: PlayerId): Promise<PlayerId | undefined> => {
  for (;;) {
    const to = await findSuccessor(tx, from)
    if (!to || (await lockPlayer(tx, to))) return to
  }
}
