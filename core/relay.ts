import { randomUUID } from 'node:crypto'
import type { Moved } from '#contract/events.ts'
import type { Cell } from '#contract/ids.ts'
import type { Db } from '#db/client.ts'
import {
  leasePartitions,
  listUnpublished,
  markPublished,
  type OutboxRow,
  outboxPartitions,
  releasePartitions,
} from '#db/outbox.ts'
import type { EventBus } from '#infra/event-bus.ts'
import type { Log } from '#infra/log.ts'
import { toMessage } from './cloud-event.ts'
import { createLoop, type Loop } from './loop.ts'
import { unwatchedPublishing, type WatchPublishing } from './watch-events.ts'

/** Events of one partition that are published together. */
const batchMax = 200
/** A relay that died is replaced after this; one that lives renews with every turn. */
const leaseMs = 15_000
const idlePauseMs = 50
/** After a failure, doubled with each further one: a bus that is back is found within five seconds. */
const failurePauseMinMs = 100
const failurePauseMaxMs = 5_000

export type Relay = Loop & {
  /** One turn over the partitions that this relay can have: how many events it published, and how many it could not. */
  runOnce(): Promise<{ published: number; failed: number }>
}

/**
 * Moves events from the outbox to the bus, at least once, each aggregate's in the order of its versions as long as nothing
 * fails. Claims by state (unpublished), never by a cursor, so that a transaction that commits late is not passed over.
 *
 * What the bus does not take stays, and the tags that it moved go to `raise` meanwhile: caches hear of a change also while
 * Pub/Sub is away.
 */
export const createRelay = (options: {
  readonly db: Db
  readonly bus: EventBus
  readonly cell: Cell
  readonly log: Log
  readonly clock: () => number
  readonly raise: (moved: readonly Moved[]) => Promise<void>
  readonly watch?: WatchPublishing
}): Relay => {
  const { db, bus, cell, log, clock, watch = unwatchedPublishing } = options
  const owner = randomUUID()

  /** Whether the bus refused something in the last turn: it may take seconds to refuse again, and caches need not wait. */
  let busFailed = false

  const raise = (events: readonly OutboxRow[]) => options.raise(events.flatMap((event) => event.moved)).catch(() => {})

  const publish = async (partition: number): Promise<{ published: number; failed: number }> => {
    const batch = await listUnpublished(db, partition, batchMax)
    if (busFailed) await raise(batch)
    const taken = await watch(batch, () => bus.publish(batch.map((event) => toMessage(`/cells/${cell}`, event))))
    const published = batch.filter((_, at) => taken[at])
    const failed = batch.filter((_, at) => !taken[at])
    const drained = failed.length === 0 && batch.length < batchMax
    const eventIds = published.map((event) => event.eventId)
    await markPublished(db, { partition, owner, eventIds, now: new Date(clock()), drained })
    if (failed.length > 0 && !busFailed) await raise(failed)
    return { published: published.length, failed: failed.length }
  }

  const runOnce = async () => {
    const now = clock()
    const lease = { owner, now: new Date(now), until: new Date(now + leaseMs), limit: outboxPartitions }
    const results = await Promise.all((await leasePartitions(db, lease)).map(publish))
    const sum = (of: 'published' | 'failed') => results.reduce((total, result) => total + result[of], 0)
    if (results.length > 0) busFailed = sum('failed') > 0
    return { published: sum('published'), failed: sum('failed') }
  }

  let failurePauseMs = failurePauseMinMs
  const afterFailure = () => {
    const pauseMs = failurePauseMs
    failurePauseMs = Math.min(2 * pauseMs, failurePauseMaxMs)
    return pauseMs
  }

  const loop = createLoop(async () => {
    try {
      const { published, failed } = await runOnce()
      if (failed > 0) {
        log.info('events wait in the outbox', { published, failed })
        return afterFailure()
      }
      failurePauseMs = failurePauseMinMs
      return published > 0 ? 0 : idlePauseMs
    } catch (error) {
      log.error('the relay had to stop its turn', error)
      return afterFailure()
    }
  })
  return {
    ...loop,
    runOnce,
    stop: async () => {
      await loop.stop()
      await releasePartitions(db, owner).catch((error: unknown) => log.error('leases were not released', error))
    },
  }
}
