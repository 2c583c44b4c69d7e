import type { Db } from '#db/client.ts'
import { reapDeadLetters } from '#db/dead-letters.ts'
import { reapClaims } from '#db/idempotency.ts'
import { reapInbox } from '#db/inbox.ts'
import { reapExpiredKeys } from '#db/keys.ts'
import { reapPublished } from '#db/outbox.ts'
import { reapRevocations } from '#db/revocations.ts'
import type { Log } from '#infra/log.ts'
import { createLoop, type Loop } from './loop.ts'
import { revocationLifeMs } from './revocation.ts'

/** A bug deployed on Friday is mended on Monday, and the retries still hold. */
export const claimLifeMs = 72 * 3_600_000
/** Long enough to look at what has just left; what left is kept by whoever subscribes. */
const publishedLifeMs = 3_600_000
/** A dead letter is redriven within a month or never. */
const deadLetterLifeMs = 30 * 24 * 3_600_000
/** Longer than any event can come again: the life of a dead letter, and the week that Pub/Sub keeps a message. */
const receiptLifeMs = deadLetterLifeMs + 7 * 24 * 3_600_000
/** Long enough to see in `keys list` who was there yesterday; the audit log keeps that for good. */
const expiredKeyLifeMs = 24 * 3_600_000
/** Rows that one statement deletes: its locks and its vacuum stay small. */
const batchMax = 1_000
const pauseMs = 60_000

const lives = [
  { reap: reapClaims, lifeMs: claimLifeMs },
  { reap: reapPublished, lifeMs: publishedLifeMs },
  { reap: reapInbox, lifeMs: receiptLifeMs },
  { reap: reapDeadLetters, lifeMs: deadLetterLifeMs },
  { reap: reapRevocations, lifeMs: revocationLifeMs },
  { reap: reapExpiredKeys, lifeMs: expiredKeyLifeMs },
]

export type Reaper = Loop & {
  /** Deletes what has passed its life, in batches, until a batch is not full. Answers how many rows went. */
  runOnce(): Promise<number>
}

/** Deletes old claims, published events, receipts, dead letters, revocations and keys that expired. Any number may run at once. */
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
    const now = clock()
    let total = 0
    for (const { reap, lifeMs } of lives)
      total += await untilNotFull((limit) => reap(db, { before: new Date(now - lifeMs), limit }))
    return total
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
