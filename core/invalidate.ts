import type { Moved } from '#contract/events.ts'
import type { Log } from '#infra/log.ts'
import { silentTelemetry, type Telemetry } from '#infra/telemetry.ts'
import type { VersionedStore } from '#infra/upstash.ts'
import { movedBy, occurredAtOf } from './cloud-event.ts'
import type { Consumer } from './consumer.ts'

/** Tags that are raised by one request. */
const batchMax = 200

export type Invalidator = {
  /** Tells the global tier which versions things have reached. Idempotent, in any order. Rejects when it could not. */
  raise(moved: readonly Moved[]): Promise<void>
  /** Takes every event that moved a tag. The store keeps the maximum, so it needs neither inbox nor gate. */
  readonly consumer: Consumer
}

/** Gathers what arrives while a request is under way into the next one; of a tag that comes twice, the higher version. */
export const createInvalidator = ({
  store,
  log,
  clock,
  telemetry = silentTelemetry,
}: {
  readonly store: VersionedStore
  readonly log: Log
  readonly clock: () => number
  readonly telemetry?: Telemetry
}): Invalidator => {
  const lag = createLagLog(log, clock)
  let waiting = new Map<string, { version: number; settled: PromiseWithResolvers<void> }>()
  let flushing = false

  const raise = async (moved: readonly Moved[]): Promise<void> => {
    const span = telemetry.startSpan('raise versions', {
      kind: 'client',
      attributes: { 'db.system.name': 'redis', 'perigee.store': 'upstash', 'db.operation.batch.size': moved.length },
    })
    const settled = moved.map(({ tag, version }) => {
      const entry = waiting.get(tag) ?? { version, settled: Promise.withResolvers<void>() }
      entry.version = Math.max(entry.version, version)
      waiting.set(tag, entry)
      return entry.settled.promise
    })
    const all = Promise.all(settled)
    // What is sent from here on is everybody's.
    if (!flushing) void telemetry.within(undefined, flush)
    try {
      await all
      span?.end()
    } catch (error) {
      span?.end('unavailable')
      throw error
    }
  }

  const flush = async () => {
    flushing = true
    while (waiting.size > 0) {
      const entries = [...waiting]
      const batch = entries.slice(0, batchMax)
      waiting = new Map(entries.slice(batchMax))
      const result = store.raise(batch.map(([tag, { version }]) => ({ tag, version })))
      await result.then(
        () => {
          for (const [, { settled }] of batch) settled.resolve()
        },
        (error) => {
          for (const [, { settled }] of batch) settled.reject(error)
        },
      )
    }
    flushing = false
  }

  return {
    raise,
    consumer: {
      name: 'invalidate',
      available: store.ping,
      handle: async (message) => {
        const moved = movedBy(message)
        if (moved.length === 0) return
        await raise(moved)
        lag(clock() - occurredAtOf(message))
      },
    },
  }
}

/** How often the lag is told at the most. */
const tellMs = 1_000

/** Tells how many events were taken since it last told, and the longest way of any: from what happened until the caches knew. */
const createLagLog = (log: Log, clock: () => number): ((lagMs: number) => void) => {
  let events = 0
  let longestMs = 0
  let toldAt = 0
  return (lagMs) => {
    events++
    longestMs = Math.max(longestMs, lagMs)
    if (clock() - toldAt < tellMs) return
    log.info('versions raised', { events, lagMs: longestMs })
    events = 0
    longestMs = 0
    toldAt = clock()
  }
}
