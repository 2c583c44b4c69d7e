import { type Cell, cellOf } from '#contract/ids.ts'
import type { Db } from '#db/client.ts'
import { findSuccessor } from '#db/players.ts'
import { parseEvent } from './cloud-event.ts'
import type { Neighbours } from './config.ts'
import type { Consumer } from './consumer.ts'
import type { Directory } from './directory.ts'
import type { Peers } from './peers.ts'

/** Two trips between the farthest regions and a statement take less; what takes longer is tried again. */
const moveMaxMs = 5_000

/**
 * Tells the control cell of a merge in this one, until it has heard: from then on it says of the credentials what this cell's
 * rows have said since the merge. To tell it twice, or late, changes nothing.
 */
export const createCredentialMover = (options: {
  readonly cell: Cell
  readonly db: Db
  readonly neighbours: Neighbours
  readonly directory: Directory
  readonly peers: Peers
  readonly clock: () => number
}): Consumer => {
  const { cell, db, neighbours, directory, peers, clock } = options
  return {
    name: 'move-credentials',
    available: () => peers.ping(neighbours.control),
    handle: async (message) => {
      const event = parseEvent(message, ['perigee.player.merged.v1'])
      // All cells publish to one topic; each tells of its own players.
      if (!event || cellOf(event.data.playerId) !== cell) return
      const now = new Date(clock())
      const origin = { now, requestId: event.eventId, traceparent: event.traceparent }
      const from = event.data.playerId
      // Not whom the event names: they may be somebody else by now, and the news of that may have come before this.
      const to = await findSuccessor(db, from)
      if (to) await directory.move({ from, to }, { ...origin, deadlineAt: now.getTime() + moveMaxMs })
    },
  }
}
