import type { DataCentre } from '#edge/data-centre.ts'
import { decodeEntry, type Entry, encodeEntry } from './entry.ts'

/** Entries that all isolates of a data centre share. Both methods reject when it fails. */
export type DataCentreTier = {
  get(key: string): Promise<Entry | undefined>
  /** Keeps an entry for `keptMs`. Whoever comes last wins, which is why a reader compares versions. */
  put(key: string, entry: Entry, keptMs: number): Promise<void>
}

export const createDataCentreTier = (dataCentre: DataCentre): DataCentreTier => ({
  get: async (key) => {
    const kept = await dataCentre.read(`entries/${key}`)
    return kept && decodeEntry(kept.text, kept.at)
  },
  put: (key, entry, keptMs) =>
    dataCentre.write(`entries/${key}`, { text: encodeEntry(entry), at: entry.checkedAt }, keptMs),
})
