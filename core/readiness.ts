import { setTimeout as rest } from 'node:timers/promises'
import { listMissingMigrations } from '#db/applied-migrations.ts'
import type { Database } from '#db/client.ts'
import { readConnectionLimits } from '#db/connections.ts'
import { heard } from '#db/heard.ts'
import type { Log } from '#infra/log.ts'
import { type PoolPlan, poolFault } from './pools.ts'

/** Pools that would pass what a server of Postgres takes: no waiting mends that. */
export class PoolsTooLarge extends Error {
  override readonly name = 'PoolsTooLarge'
}

export type Readiness = {
  /**
   * Waits until Postgres answers, has the migrations of this release and room for the pools. Answers false where the process was
   * told to stop before that. Called once.
   * @throws PoolsTooLarge
   */
  untilDatabaseIsReady(): Promise<boolean>
  /** Resolves when this process should get requests. @throws Error with what is missing */
  check(): Promise<void>
}

export type ReadinessOptions = {
  readonly database: Pick<Database, 'db' | 'ping'>
  /** The read replica, where this process has a pool to it. */
  readonly replicaDatabase: Pick<Database, 'db'> | undefined
  readonly plan: PoolPlan
  /** Rejects while there is no signing key. */
  readonly signer: (nowMs: number) => Promise<unknown>
  /** Aborted when the process is told to stop. */
  readonly signal: AbortSignal
  readonly log: Log
  readonly clock: () => number
}

/** A server that lives answers a look at its settings at once; one that does not is looked at again. */
const lookMaxMs = 2_000
/** A Postgres that is back is found within this. */
const pauseMs = 500

/** What a look at Postgres found: undefined where all is well. `kind` is what is told once, however the words change. */
type Missing = { readonly kind: 'server' | 'migrations'; readonly text: string } | undefined

/**
 * Whether this process can serve, from its start to its stop. What can mend itself is waited for, and told once; migrations,
 * room for the pools and a key to sign with are asked for until they have been found, since none of them goes away again.
 */
export const createReadiness = (options: ReadinessOptions): Readiness => {
  const { database, signal, log } = options
  let missing: string | undefined = 'Postgres has not answered yet'
  let hasKey = false

  const look = async (): Promise<Missing> => {
    try {
      await requireRoom(options, database, 'Postgres')
      const migrations = await heard(listMissingMigrations(database.db), lookMaxMs)
      if (migrations.length === 0) return undefined
      return { kind: 'migrations', text: `the database lacks the migrations ${migrations.join(', ')}: npm run migrate` }
    } catch (error) {
      if (error instanceof PoolsTooLarge) throw error
      return { kind: 'server', text: `Postgres cannot be used: ${causeOf(error)}` }
    }
  }

  return {
    untilDatabaseIsReady: async () => {
      let told: string | undefined
      for (let found = await look(); found && !signal.aborted; found = await look()) {
        missing = found.text
        if (told !== found.kind) log.info('waiting to start', { why: found.text })
        told = found.kind
        await rest(pauseMs, undefined, { signal }).catch(() => {})
      }
      if (signal.aborted) return false
      missing = 'whether the pools fit the read replica is not known yet'
      await lookAtReplica(options)
      missing = undefined
      return true
    },
    check: async () => {
      if (signal.aborted) throw new Error('stopping')
      if (missing !== undefined) throw new Error(missing)
      await database.ping()
      // It is read in line with all other statements, by which nobody is to judge whether Postgres is there.
      if (!hasKey) await options.signer(options.clock())
      hasKey = true
    },
  }
}

const requireRoom = async ({ plan }: ReadinessOptions, { db }: Pick<Database, 'db'>, server: string): Promise<void> => {
  const fault = poolFault(plan, await heard(readConnectionLimits(db), lookMaxMs), server)
  if (fault) throw new PoolsTooLarge(fault)
}

/** A replica that is away keeps nobody from starting: the primary answers for it, and room there is looked at by the next start. */
const lookAtReplica = async (options: ReadinessOptions): Promise<void> => {
  if (!options.replicaDatabase) return
  try {
    await requireRoom(options, options.replicaDatabase, 'the read replica')
  } catch (error) {
    if (error instanceof PoolsTooLarge) throw error
    options.log.error('whether the pools fit the read replica is not known', error)
  }
}

/** The words of the innermost cause: a query's own error repeats the query. */
const causeOf = (error: unknown): string => {
  let cause = error
  while (cause instanceof Error && cause.cause !== undefined) cause = cause.cause
  return cause instanceof Error ? cause.message : String(cause)
}
