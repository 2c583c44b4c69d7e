import type { Db } from '#db/client.ts'
import { setBeat } from '#db/heartbeat.ts'
import type { Log } from '#infra/log.ts'
import { createLoop, type Loop } from './loop.ts'

/**
 * A replica's snapshots are dated by the last beat that was seen there, so they look older than they are by up to this and the
 * pause between two looks.
 */
const pauseMs = 1_000

export type Heartbeat = Loop & {
  /** Writes one beat to the primary. */
  runOnce(): Promise<void>
}

/**
 * Tells the replica the time, by way of the primary. A beat that a replica shows proves that it has everything that was
 * committed before the beat, whatever has become of the connection between the two. Any number may run at once.
 * @see docs/decisions/0014-the-floor-goes-to-the-core.md
 */
export const createHeartbeat = ({
  db,
  log,
  clock,
}: {
  readonly db: Db
  readonly log: Log
  readonly clock: () => number
}): Heartbeat => {
  const runOnce = () => setBeat(db, new Date(clock()))
  const loop = createLoop(async () => {
    await runOnce().catch((error: unknown) => log.error('a heartbeat failed', error))
    return pauseMs
  })
  return { ...loop, runOnce }
}
