import { createBreaker } from '#edge/breaker.ts'
import type { TagVersion, VersionedStore } from '#infra/upstash.ts'
import { decodeEntry, type Entry, encodeEntry } from './entry.ts'

/** What the global tier knows of a question. */
export type Known = {
  readonly entry: Entry | undefined
  /** Nothing of the tag below this is the newest; null when nobody told, or the key was lost. */
  readonly version: number | null
}

/** Entries that all data centres share, with the version that each tag has reached. Both methods reject when it fails. */
export type GlobalTier = {
  /** Entry and version in one request. The entry counts as checked when the question was asked. */
  lookUp(key: string, tag: string): Promise<Known>
  /** Keeps an entry for `keptMs`, and tells of its version. Does nothing while the store is nearly full. */
  fill(key: string, tag: TagVersion, kept: { readonly entry: Entry; readonly keptMs: number }): Promise<void>
}

/** Of the keys that the store may hold; what is left is for versions, without which entries would be wrong. */
const fullShare = 0.8
/** While it is nearly full, one fill in this time looks whether it still is. */
const pauseMs = 10_000

/** @param keysMax how many keys the store may hold */
export const createGlobalTier = (options: {
  readonly store: VersionedStore
  readonly keysMax: number
  readonly clock: () => number
}): GlobalTier => {
  const { store, keysMax, clock } = options
  // Each its own: fills that get through behind the answers must not hide that look-ups do not.
  const lookUps = createBreaker(clock)
  const fills = createBreaker(clock)
  let pausedUntil = 0

  return {
    lookUp: async (key, tag) => {
      const askedAt = clock()
      const { entry, version } = await lookUps.run(() => store.lookUp(key, tag))
      return { entry: entry === null ? undefined : decodeEntry(entry, askedAt), version }
    },
    fill: async (key, tag, { entry, keptMs }) => {
      if (clock() < pausedUntil) return
      const { keys } = await fills.run(() => store.fill(key, tag, { text: encodeEntry(entry), lifeMs: keptMs }))
      if (keys > keysMax * fullShare) pausedUntil = clock() + pauseMs
    },
  }
}
