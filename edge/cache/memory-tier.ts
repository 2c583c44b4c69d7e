import type { Entry } from './entry.ts'

/** Entries in the isolate's memory, bounded by bytes; the one that was used longest ago goes first. */
export type MemoryTier = {
  get(key: string): Entry | undefined
  /** Keeps an entry, unless a higher version, or the same one checked later, is there. Answers with the newest then. */
  put(key: string, entry: Entry): Entry
  /** The highest version of the key that this isolate has held or heard of, as far as it remembers; else 0. */
  floorOf(key: string): number
  /** Gives up what is held below a version, and remembers that there is a newer one. */
  supersede(key: string, version: number): void
  /** What is held, by our count. */
  bytes(): number
}

/** Of an isolate's 128 MB: the rest is for the program, remembered tokens and requests in flight. */
export const memoryBytesMax = 32 * 1024 * 1024
/**
 * What an entry takes beside its texts: map node, objects, numbers, the heads of its strings, and the text that its body is cut
 * from.
 */
const overheadBytes = 600

/** What is known of a key: the newest entry, or only that one of this version exists. */
type Slot = { readonly version: number; readonly entry: Entry | undefined; readonly bytes: number }

export const createMemoryTier = (bytesMax: number = memoryBytesMax): MemoryTier => {
  // A Map iterates in the order of insertion, so whatever is inserted anew when it is used makes a queue by last use.
  const slots = new Map<string, Slot>()
  let bytes = 0

  const remove = (key: string, slot: Slot) => {
    slots.delete(key)
    bytes -= slot.bytes
  }
  const keep = (key: string, slot: Slot) => {
    const known = slots.get(key)
    if (known) remove(key, known)
    // It would drive out everything else, and then itself.
    if (slot.bytes > bytesMax) return
    slots.set(key, slot)
    bytes += slot.bytes
    for (const [oldest, old] of slots) {
      if (bytes <= bytesMax) break
      remove(oldest, old)
    }
  }
  return {
    get: (key) => {
      const slot = slots.get(key)
      if (!slot) return undefined
      slots.delete(key)
      slots.set(key, slot)
      return slot.entry
    },
    put: (key, entry) => {
      const known = slots.get(key)
      if (known && isNewer(known, entry)) return known.entry ?? entry
      keep(key, { version: entry.version, entry, bytes: sizeOf(key, entry) })
      return entry
    },
    floorOf: (key) => slots.get(key)?.version ?? 0,
    supersede: (key, version) => {
      if ((slots.get(key)?.version ?? 0) < version)
        keep(key, { version, entry: undefined, bytes: overheadBytes + 2 * key.length })
    },
    bytes: () => bytes,
  }
}

/** No tier replaces what is newer by what is older, whichever arrives last. */
const isNewer = (known: Slot, entry: Entry) =>
  known.version > entry.version || (known.entry?.version === entry.version && known.entry.checkedAt > entry.checkedAt)

/** Two bytes a character at the most. */
const sizeOf = (key: string, entry: Entry) =>
  overheadBytes + 2 * (key.length + entry.body.length + entry.contentType.length + entry.etag.length)
