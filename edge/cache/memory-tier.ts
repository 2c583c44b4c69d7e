import type { Entry } from './entry.ts'

/** Entries in the isolate's memory, bounded by bytes; the one that was used longest ago goes first. */
export type MemoryTier = {
  get(key: string): Entry | undefined
  /** Keeps an entry, unless a higher version, or the same one checked later, is there. Answers with the newer of both. */
  put(key: string, entry: Entry): Entry
  /** The highest version of the key that this isolate has held or heard of, as far as it remembers; else 0. */
  floorOf(key: string): number
  /** From here on `get` answers with nothing below a version. */
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

/** What is known of a key: the newest entry that was held, and that there is one of this version. */
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
      return slot.entry && slot.entry.version >= slot.version ? slot.entry : undefined
    },
    put: (key, entry) => {
      const known = slots.get(key)
      const newest = known?.entry && isNewer(known.entry, entry) ? known.entry : entry
      keep(key, {
        version: Math.max(known?.version ?? 0, newest.version),
        entry: newest,
        bytes: sizeOf(key, newest),
      })
      return newest
    },
    floorOf: (key) => slots.get(key)?.version ?? 0,
    supersede: (key, version) => {
      const known = slots.get(key)
      if ((known?.version ?? 0) >= version) return
      // Who asked before may be answered yet, with no less than others were meanwhile.
      const bytes = known?.bytes ?? overheadBytes + 2 * key.length
      keep(key, { version, entry: known?.entry, bytes })
    },
    bytes: () => bytes,
  }
}

/** No tier replaces what is newer by what is older, whichever arrives last. */
const isNewer = (known: Entry, entry: Entry) =>
  known.version > entry.version || (known.version === entry.version && known.checkedAt > entry.checkedAt)

/** Two bytes a character at the most. */
const sizeOf = (key: string, entry: Entry) =>
  overheadBytes + 2 * (key.length + entry.body.length + entry.contentType.length + entry.etag.length)
