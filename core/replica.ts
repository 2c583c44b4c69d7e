import { Fault } from '#contract/problem.ts'
import type { Database, Db } from '#db/client.ts'
import { heard } from '#db/heard.ts'
import { findBeat } from '#db/heartbeat.ts'
import type { Log } from '#infra/log.ts'
import { createLoop, type Loop } from './loop.ts'

/** What a replica may cost a read before the primary is asked; the limit of its statements too, since nobody waits longer. */
export const replicaTimeoutMs = 250
/** After a failure, so that an outage costs one read in a second its time, not every read. */
const restMs = 1_000
/** As often as there is a new beat to see. */
const pollMs = 1_000
/** A replica that is further behind is being rebuilt or cut off, and most of what is asked of it would be asked twice. */
const lagMaxMs = 10_000

export type ReplicaAnswer<Answer> = {
  readonly answer: Answer
  /** The answer holds all that was committed before, ms since 1970; never later than the question. */
  readonly readAt: number
}

export type Replica = Loop & {
  /** Polls the beat, unless the replica rests. */
  runOnce(): Promise<void>
  /**
   * What `query` reads on the replica for a request. Undefined, within `replicaTimeoutMs`, when the replica is not known to be near enough
   * to the primary, or failed: now, or less than `restMs` ago. Never rejects.
   */
  read<Answer>(
    request: { readonly now: Date; readonly deadlineAt: number },
    query: (db: Db) => Promise<Answer>,
  ): Promise<ReplicaAnswer<Answer> | undefined>
}

/**
 * The replica, as far as it can be relied on. Between two polls nothing is known but that a server does not go back, so what is read
 * dates from the last beat that was seen *before*; for the same reason it must be one server.
 */
export const createReplica = ({
  database,
  log,
  clock,
}: {
  readonly database: Database
  readonly log: Log
  readonly clock: () => number
}): Replica => {
  let beatAt: number | undefined
  let restUntil = 0
  let failing = false

  const fail = (error: unknown) => {
    if (!failing) log.error('the replica failed; the primary answers', error)
    failing = true
    beatAt = undefined
    restUntil = clock() + restMs
  }

  const runOnce = async () => {
    if (clock() < restUntil) return
    try {
      const beat = await heard(findBeat(database.db), replicaTimeoutMs)
      // A read that failed meanwhile knows more of the replica than this answer.
      if (clock() < restUntil) return
      beatAt = beat?.getTime()
      failing = false
    } catch (error) {
      fail(error)
    }
  }

  const loop = createLoop(async () => {
    await runOnce()
    return pollMs
  })
  return {
    ...loop,
    runOnce,
    read: async ({ now, deadlineAt }, query) => {
      const seenAt = beatAt
      if (seenAt === undefined || now.getTime() - seenAt > lagMaxMs) return undefined
      try {
        const answer = await heard(query(database.until(deadlineAt)), replicaTimeoutMs)
        return { answer, readAt: Math.min(seenAt, now.getTime()) }
      } catch (error) {
        // A fault is the verb's word on the question, not the replica's state.
        if (!(error instanceof Fault)) fail(error)
        return undefined
      }
    },
  }
}
