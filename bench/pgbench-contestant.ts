import { join } from 'node:path'
import type { PostgresCounters } from './counters.ts'
import {
  type Contestant,
  cpuPerRequest,
  disturbance,
  perRequest,
  quantile,
  type Reading,
  readCpu,
  warmSeconds,
} from './measure.ts'
import { runPgbench } from './pgbench.ts'

export type PgbenchContestantOptions = {
  readonly name: string
  readonly binary: string
  readonly script: string
  readonly databaseUrl: string
  readonly postgresPid: number
  readonly counters: PostgresCounters
  readonly folder: string
}

/** A statement that pgbench sends: what Postgres does when nothing stands before it. */
export const pgbenchContestant = (options: PgbenchContestantOptions): Contestant => ({
  name: options.name,
  measure: async (phase) => {
    const { counters, postgresPid, folder } = options
    await counters.begin()
    const cpu: { start?: Reading; end?: Reading } = {}
    const load = await runPgbench({
      ...options,
      ...phase,
      warmSeconds,
      folder: join(folder, 'pgbench'),
      onEdge: (edge, pid) => {
        cpu[edge] = readCpu({ load: pid, behind: [postgresPid] })
      },
    })
    const counts = await counters.end()
    if (!cpu.start || !cpu.end) throw new Error('pgbench ended before its window did')
    return {
      requests: load.sent,
      requestsPerSecond: load.answered / load.seconds,
      p50Ms: quantile(load.latenciesMs, 0.5),
      p99Ms: quantile(load.latenciesMs, 0.99),
      lateMs: phase.rate === undefined ? undefined : quantile(load.lateMs, 0.5),
      cpu: cpuPerRequest(cpu.start, cpu.end, load.answered),
      others: disturbance(cpu.start, cpu.end),
      counts: perRequest(counts, load.sent),
      errors: load.errors,
    }
  },
})
