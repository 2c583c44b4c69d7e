import type { Db } from '#db/client.ts'
import { reapDeadLetters } from '#db/dead-letters.ts'
import { reapExposures } from '#db/exposures.ts'
import { reapClaims } from '#db/idempotency.ts'
import { reapInbox } from '#db/inbox.ts'
import { reapExpiredKeys } from '#db/keys.ts'
import { reapPublished } from '#db/outbox.ts'
import { reapParticipations } from '#db/participations.ts'
import { reapRevocations } from '#db/revocations.ts'
import { type SweptSessions, sweepSessions } from '#db/sessions.ts'
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
/** Longer than a token of it can be told from one that never was; then the answer to it is the same. */
const sessionLifeMs = 24 * 3_600_000
/** Longer than a run of a live event and its grace; then nobody can do anything with having joined. */
const participationLifeMs = 400 * 24 * 3_600_000
/** A run of an experiment takes weeks. A unit that is reported again after that is told of again. */
const exposureLifeMs = 90 * 24 * 3_600_000
/** Sessions that are looked at in a turn: ten million take three hours, and a turn a second or two. */
const sweptMax = 50_000
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
  { reap: reapParticipations, lifeMs: participationLifeMs },
  { reap: reapExposures, lifeMs: exposureLifeMs },
]

export type Reaper = Loop & {
  /**
   * Deletes what has passed its life, in batches, until a batch is not full; of the sessions, in the next part of the table.
   * Answers how many rows went. Between two batches it ends early when `signal` is aborted.
   */
  runOnce(signal?: AbortSignal): Promise<number>
}

/**
 * Deletes old claims, published events, receipts, dead letters, revocations, participations and exposures, and keys and sessions
 * that are over. Any number may run at once.
 */
export const createReaper = ({
  db,
  log,
  clock,
}: {
  readonly db: Db
  readonly log: Log
  readonly clock: () => number
}): Reaper => {
  let sweptTo: SweptSessions['last'] = null
  const sweep = async (before: Date, signal?: AbortSignal): Promise<number> => {
    let total = 0
    for (let swept = 0; swept < sweptMax && !signal?.aborted; swept += batchMax) {
      const { last, seen, reaped } = await sweepSessions(db, { after: sweptTo ?? '', before, limit: batchMax })
      total += reaped
      sweptTo = seen < batchMax ? null : last
      if (sweptTo === null) return total
    }
    return total
  }

  const runOnce = async (signal?: AbortSignal) => {
    const now = clock()
    let total = 0
    for (const { reap, lifeMs } of lives)
      total += await untilNotFull((limit) => reap(db, { before: new Date(now - lifeMs), limit }), signal)
    return total + (await sweep(new Date(now - sessionLifeMs), signal))
  }
  const loop = createLoop(async (signal) => {
    await runOnce(signal).catch((error: unknown) => log.error('reaping failed', error))
    return pauseMs
  })
  return { ...loop, runOnce }
}

const untilNotFull = async (reap: (limit: number) => Promise<number>, signal?: AbortSignal): Promise<number> => {
  let total = 0
  while (!signal?.aborted) {
    const reaped = await reap(batchMax)
    total += reaped
    if (reaped < batchMax) return total
  }
  return total
}
