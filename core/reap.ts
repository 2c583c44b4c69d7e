import type { Db } from '#db/client.ts'
import { reapClaims } from '#db/idempotency.ts'
import { reapPublished } from '#db/outbox.ts'
import type { Log } from '#infra/log.ts'
import { createLoop, type Loop } from './loop.ts'

/** A bug deployed on Friday is mended on Monday, and the retries still hold. */
export const claimLifeMs = 72 * 3_600_000
/** Long enough to look at what left yesterday. */
const publishedLifeMs = 24 * 3_600_000
/** Rows that one statement deletes: its locks and its vacuum stay small. */
const batchMax = 1_000
const pauseMs = 60_000

export type Reaper = Loop & {
  /** Deletes what has passed its life, in batches, until a batch is not full. Answers how many rows went. */
  runOnce(): Promise<number>
}

/** Deletes old idempotency claims and events that were published. Any number may run at once. */
export const createReaper = ({
  db,
  log,
  clock,
}: {
  readonly db: Db
  readonly log: Log
  readonly clock: () => number
}): Reaper => {
  const runOnce = async () => {
    const claims = await untilNotFull((limit) => reapClaims(db, { before: new Date(clock() - claimLifeMs), limit }))
    const events = await untilNotFull((limit) =>
      reapPublished(db, { before: new Date(clock() - publishedLifeMs), limit }),
    )
    return claims + events
  }
  const loop = createLoop(async () => {
    await runOnce().catch((error: unknown) => log.error('reaping failed', error))
    return pauseMs
  })
  return { ...loop, runOnce }
}

const untilNotFull = async (reap: (limit: number) => Promise<number>): Promise<number> => {
  let total = 0
  for (;;) {
    const reaped = await reap(batchMax)
    total += reaped
    if (reaped < batchMax) return total
  }
}
