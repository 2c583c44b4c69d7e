import type { Cell } from '#contract/ids.ts'
import { etagOf, type Reading } from '#edge/cache/entry.ts'
import type { DataCentre, Kept } from '#edge/data-centre.ts'
import type { VersionedStore } from '#infra/upstash.ts'
import type { VirtualClock } from './clock.ts'
import type { Count } from './tally.ts'
import { stratumOf } from './things.ts'

/** How long each tier takes to answer, virtual milliseconds, from 1. */
export type Latencies = { readonly dataCentreMs: number; readonly upstashMs: number; readonly coreMs: number }

type Parts = { readonly clock: VirtualClock; readonly count: Count; readonly latencies: Latencies }

/**
 * The Cache API of one data centre. What is older than `usefulMs` is dropped, as the platform may do at any time: no near tier
 * answers with it while the core can be reached, and ten thousand lists of it would fill this machine.
 */
export const createDataCentre = ({ clock, count, latencies }: Parts, usefulMs: number): DataCentre => {
  const kept = new Map<string, Kept>()
  return {
    read: async (name) => {
      count('dataCentreReads', stratumOf(name))
      await clock.after(latencies.dataCentreMs)
      return kept.get(name)
    },
    write: async (name, text) => {
      await clock.after(latencies.dataCentreMs)
      // Inserted anew, so that the map is in the order of age.
      kept.delete(name)
      kept.set(name, text)
      for (const [oldest, { at }] of kept) {
        if (clock.now() - at < usefulMs) break
        kept.delete(oldest)
      }
    },
  }
}

/** A data centre whose Cache API holds nothing, for the comparison. It costs no time, so that the other tiers are compared alone. */
export const createEmptyDataCentre = (): DataCentre => ({ read: async () => undefined, write: async () => {} })

/** Upstash without lag or loss: entries, and the highest version of each tag. Versions outlive any run. */
export const createStore = ({ clock, count, latencies }: Parts): VersionedStore => {
  const entries = new Map<string, { readonly text: string; readonly until: number }>()
  const versions = new Map<string, number>()
  const raise = (tag: string, version: number) => versions.set(tag, Math.max(versions.get(tag) ?? 0, version))
  return {
    lookUp: async (key, tag) => {
      count('lookUps', stratumOf(key))
      await clock.after(latencies.upstashMs)
      const found = entries.get(key)
      const isKept = found !== undefined && found.until > clock.now()
      return { entry: isKept ? found.text : null, version: versions.get(tag) ?? null }
    },
    fill: async (key, { tag, version }, { text, lifeMs }) => {
      count('fills', stratumOf(key))
      await clock.after(latencies.upstashMs)
      entries.set(key, { text, until: clock.now() + lifeMs })
      raise(tag, version)
      // How many keys a whole deployment has is for the report to say; here it never is too many.
      return { keys: 0 }
    },
    raise: async (tags) => {
      for (const { tag } of tags) count('raises', stratumOf(tag))
      await clock.after(latencies.upstashMs)
      for (const { tag, version } of tags) raise(tag, version)
    },
    ping: async () => {},
  }
}

/** Upstash while it is away. */
export const createRefusingStore = (): VersionedStore => {
  const refuse = async () => {
    throw new Error('Upstash is away')
  }
  return { lookUp: refuse, fill: refuse, raise: refuse, ping: refuse }
}

/**
 * The cores, each with a database of its own: each thing is there, and its version moves when it is changed. No replica ever
 * answers.
 */
export const createCores = ({ clock, count, latencies }: Parts) => {
  const databases = new Map<Cell, Map<string, number>>()
  /** Versions are milliseconds in production; here whatever was never changed has the same. */
  const firstVersion = 1
  const databaseOf = (cell: Cell) => {
    const database = databases.get(cell) ?? new Map<string, number>()
    databases.set(cell, database)
    return database
  }
  return {
    read: async (cell: Cell, tag: string): Promise<Reading> => {
      count('coreReads', stratumOf(tag))
      await clock.after(latencies.coreMs)
      const version = databaseOf(cell).get(tag) ?? firstVersion
      const etag = etagOf(version, body)
      return { version, storedAt: clock.now(), loadMs: latencies.coreMs, status: 200, contentType, body, etag }
    },
    /** Changes a thing in a cell. Answers with the version that this moved it to. */
    change: (cell: Cell, tag: string): number => {
      const database = databaseOf(cell)
      const version = Math.max((database.get(tag) ?? firstVersion) + 1, clock.now())
      database.set(tag, version)
      return version
    },
  }
}

const contentType = 'application/json'
/** What an entry weighs is told by a figure: millions of real bodies would fill this machine. */
const body = '{}'
