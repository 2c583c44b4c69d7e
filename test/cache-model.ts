import { type CacheParts, createCache, type Found, type Reader } from '#edge/cache/cache.ts'
import type { DataCentreTier } from '#edge/cache/data-centre-tier.ts'
import { type Entry, etagOf } from '#edge/cache/entry.ts'
import type { Lives } from '#edge/cache/freshness.ts'
import { createGlobalTier } from '#edge/cache/global-tier.ts'
import { createMemoryTier } from '#edge/cache/memory-tier.ts'
import { createFlights, type Demand } from '#edge/flights.ts'
import type { VersionedStore } from '#infra/upstash.ts'

/** Lets time pass between two steps of something, as its maker says. */
export type Pause = (label: string) => Promise<unknown>

/** A row of the database: what is there, or undefined for what was deleted; and the version, which only grows. */
export type Row = { readonly version: number; readonly value: string | undefined }

const nothing: Row = { version: 0, value: undefined }
/** A core asks no replica that is further behind. */
const replicaLagMaxMs = 10_000

/** A database and its replica, with the rules of the core: which of the two answers, and as of when. */
export const createDatabase = ({ clock, pause }: { readonly clock: () => number; readonly pause: Pause }) => {
  const primary = new Map<string, Row>()
  let replica = { rows: new Map<string, Row>(), asOf: clock() }
  const reads = new Map<string, number>()

  return {
    /** How often a core was asked for what is, or ever was, there. */
    reads: () => [...reads].reduce((sum, [key, count]) => sum + (primary.has(key) ? count : 0), 0),
    current: (key: string): Row => primary.get(key) ?? nothing,
    /** Writes, or deletes, and answers with the version that this moved the thing to. */
    write: (key: string, value: string | undefined): number => {
      const version = Math.max((primary.get(key)?.version ?? 0) + 1, clock())
      primary.set(key, { version, value })
      return version
    },
    replicate: () => {
      replica = { rows: new Map(primary), asOf: clock() }
    },
    /** The primary is lost, and its replica takes its place with what it has. */
    failOver: () => {
      primary.clear()
      for (const [key, row] of replica.rows) primary.set(key, row)
    },
    /** As a core answers a cached read. */
    read: async (key: string, { floor, since }: Demand): Promise<Entry> => {
      reads.set(key, (reads.get(key) ?? 0) + 1)
      await pause(`core is asked for ${key}`)
      const late = replica.rows.get(key)
      const isNear = clock() - replica.asOf <= replicaLagMaxMs
      const useReplica = isNear && since === 0 && late !== undefined && late.version >= floor
      const { version, value } = useReplica ? late : (primary.get(key) ?? nothing)
      const storedAt = useReplica ? replica.asOf : clock()
      await pause(`core answers ${key} at ${version}`)
      const body = value ?? ''
      const status = value === undefined ? 404 : 200
      const contentType = 'text/plain'
      return {
        version,
        storedAt,
        checkedAt: storedAt,
        loadMs: 1,
        status,
        contentType,
        body,
        etag: etagOf(version, body),
      }
    },
  }
}

export type ModelDatabase = ReturnType<typeof createDatabase>

/** What isolates of one data centre share: the Cache API as they see it. */
export const createSharedTier = (pause: Pause): DataCentreTier => {
  const kept = new Map<string, Entry>()
  return {
    get: async (key) => {
      await pause(`data centre is asked for ${key}`)
      const entry = kept.get(key)
      await pause(`data centre answers ${key}`)
      return entry
    },
    put: async (key, entry) => {
      await pause(`data centre keeps ${key}`)
      kept.set(key, entry)
    },
  }
}

/** An isolate with the cache that a deployment runs, over a database and tiers of the caller's. */
export const createIsolate = (options: {
  readonly database: ModelDatabase
  readonly store: VersionedStore
  readonly dataCentre: DataCentreTier
  readonly lives: Lives
  /** How many keys the store may hold; no bound where it is absent. */
  readonly keysMax?: number
  readonly clock: () => number
  readonly random: () => number
}) => {
  const { database, store, dataCentre, lives, keysMax = Number.MAX_SAFE_INTEGER, clock, random } = options
  const flights = { maxMs: 10_000, onLate: () => new Error('late'), clock }
  const failures: string[] = []
  const parts: CacheParts = {
    memory: createMemoryTier(),
    dataCentre,
    global: createGlobalTier({ store, keysMax, clock }),
    questions: createFlights(flights),
    loads: createFlights(flights),
    countFailure: (of) => failures.push(of),
    clock,
    random,
  }
  const cache = createCache(parts)
  const behind = new Set<Promise<unknown>>()
  const keepAlive: Reader['keepAlive'] = (work) => {
    behind.add(work)
    void work.finally(() => behind.delete(work))
  }
  return {
    /** What failed behind the answers. */
    failures,
    read: async (key: string, demand: Demand = { floor: 0, since: 0 }): Promise<Found> =>
      cache({ key, tag: key, lives, ...demand }, { load: (asked) => database.read(key, asked), keepAlive }),
    /** Resolves when nothing goes on behind the answers. */
    idle: async () => {
      while (behind.size > 0) await Promise.all(behind)
    },
  }
}

export type Isolate = ReturnType<typeof createIsolate>
