import type { Moved } from '#contract/events.ts'
import type { VersionedStore } from '#infra/upstash.ts'
import { movedBy } from './cloud-event.ts'
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
export const createInvalidator = (store: VersionedStore): Invalidator => {
  let waiting = new Map<string, { version: number; settled: PromiseWithResolvers<void> }>()
  let flushing = false

  const raise = async (moved: readonly Moved[]): Promise<void> => {
    const settled = moved.map(({ tag, version }) => {
      const entry = waiting.get(tag) ?? { version, settled: Promise.withResolvers<void>() }
      entry.version = Math.max(entry.version, version)
      waiting.set(tag, entry)
      return entry.settled.promise
    })
    const all = Promise.all(settled)
    if (!flushing) void flush()
    await all
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
        if (moved.length > 0) await raise(moved)
      },
    },
  }
}
