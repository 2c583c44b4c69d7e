import type { Entry } from './entry.ts'

/** Entries in the isolate's memory, bounded by bytes; the one that was used longest ago goes first. */
export type MemoryTier = {
  get(key: string): Entry | undefined
  /** Keeps an entry, unless a higher version, or the same one checked later, is there. Answers with what is held then. */
  put(key: string, entry: Entry): Entry
  /** What is held, by our count. */
  bytes(): number
}

/** Of an isolate's 128 MB: the rest is for the program, remembered tokens and requests in flight. */
export const memoryBytesMax = 32 * 1024 * 1024
/** What an entry takes beside its texts: map node, object, numbers, the heads of its strings, and the text that its body is cut from. */
const overheadBytes = 600

export const createMemoryTier = (bytesMax: number = memoryBytesMax): MemoryTier => {
  // A Map iterates in the order of insertion, so whatever is inserted anew when it is used makes a queue by last use.
  const entries = new Map<string, Entry>()
  let bytes = 0

  const remove = (key: string, entry: Entry) => {
    entries.delete(key)
    bytes -= sizeOf(key, entry)
  }
  return {
    get: (key) => {
      const entry = entries.get(key)
      if (!entry) return undefined
      entries.delete(key)
      entries.set(key, entry)
      return entry
    },
    put: (key, entry) => {
      const known = entries.get(key)
      if (known && isNewer(known, entry)) return known
      if (known) remove(key, known)
      entries.set(key, entry)
      bytes += sizeOf(key, entry)
      for (const [oldest, old] of entries) {
        if (bytes <= bytesMax) break
        remove(oldest, old)
      }
      return entry
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
