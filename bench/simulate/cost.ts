import { versionLifeMs } from '#infra/upstash.ts'
import type { Values } from './inputs.ts'
import type { Load } from './load.ts'
import { type Stratum, stratify } from './popularity.ts'

/** What has to be there for the busiest minute, and what stays. */
export type Sizes = {
  /** Keys in Upstash: versions of a week, entries of the last hour. */
  readonly upstashKeys: number
  readonly upstashGb: number
  readonly upstashDatabases: number
  readonly coreVcpus: number
  readonly postgresVcpusPerCell: number
  /** So many cells would be needed for Postgres to fit into the largest instance. */
  readonly cellsNeeded: number
  readonly ledgerGbPerMonth: number
}

/** US dollars a month. */
export type Cost = {
  readonly workers: number
  readonly upstash: number
  /** How the cheaper way to pay for Upstash is called. */
  readonly upstashPlan: 'pay as you go' | 'fixed'
  /** What the dearer way would cost. */
  readonly upstashOther: number
  readonly cloudRun: number
  readonly cloudSql: number
  readonly memorystore: number
  readonly pubsub: number
  readonly egress: number
  readonly total: number
}

const secondsPerMonth = 30.4 * 86_400
const hoursPerMonth = 730
const gb = 1e9
const gib = 2 ** 30
const tib = 2 ** 40
const million = 1e6
const microsecondsPerMs = 1_000

/** What is included in a month of Workers, and what the account costs. */
const workersIncluded = { requests: 10e6, cpuMs: 30e6, dollars: 5 }

/** The most of each that any moment asks for. */
export type Busiest = { readonly upstashCommands: number; readonly coreCpus: number; readonly postgresCpus: number }

/** @param mean the load by which use is paid; `players` are those of the evening */
export const sizesOf = (
  { players, mean, busiest }: { readonly players: number; readonly mean: Load; readonly busiest: Busiest },
  { hardMs, values }: { readonly hardMs: number; readonly values: Values },
): Sizes => {
  const things = players * values.profilesPerPlayer
  const strata = stratify({ things, exponent: values.zipfExponent, keepOneIn: 1, growth: 0.1, crowd: values.crowd })
  const read = (ms: number) => distinctIn(strata, mean.cached.readsPerSecond * (ms / 1_000))
  const [versions, entries] = [read(versionLifeMs), read(hardMs)]
  const upstashGb = (versions * values.upstashVersionBytes + entries * values.upstashEntryBytes) / gb
  const postgresVcpus = busiest.postgresCpus / values.postgresUtilisation
  const perCell = Math.max(2, 2 * Math.ceil(postgresVcpus / values.cells / 2))
  return {
    upstashKeys: versions + entries,
    upstashGb,
    upstashDatabases: Math.max(
      Math.ceil(busiest.upstashCommands / values.upstashCommandsMax),
      Math.ceil(upstashGb / values.upstashFixedGb),
    ),
    coreVcpus: Math.ceil(busiest.coreCpus / values.coreUtilisation),
    postgresVcpusPerCell: perCell,
    cellsNeeded: Math.max(values.cells, Math.ceil(postgresVcpus / values.postgresVcpusMax)),
    ledgerGbPerMonth: (grantsPerMonth(mean, values) * values.ledgerBytes) / gb,
  }
}

const grantsPerMonth = ({ players }: Load, { grantsPerMinute }: Values) =>
  ((players * grantsPerMinute) / 60) * secondsPerMonth

/** How many different things so many reads are expected to touch. */
const distinctIn = (strata: readonly Stratum[], reads: number): number =>
  strata.reduce((sum, { things, share }) => sum + things * (1 - Math.exp((-reads * share) / things)), 0)

/** What a month costs: by use at the mean of the day, by size for the busiest minute. */
export const costOf = (mean: Load, sizes: Sizes, values: Values): Cost => {
  const month = (perSecond: number) => perSecond * secondsPerMonth
  const cpuMs = (month(mean.cpus.edge) * million) / microsecondsPerMs
  const workers =
    workersIncluded.dollars +
    (Math.max(0, month(mean.requests) - workersIncluded.requests) / million) * values.workersPerMillion +
    (Math.max(0, cpuMs - workersIncluded.cpuMs) / million) * values.workersCpuPerMillionMs
  const { upstash, upstashPlan, upstashOther } = upstashCost(mean, sizes, values)
  const coreSecond = values.cloudRunVcpuSecond + values.coreGibPerVcpu * values.cloudRunGibSecond
  const cloudRun = month(mean.cpus.core / values.coreUtilisation) * coreSecond
  const vcpuHour = values.cloudSqlVcpuHour + values.postgresGibPerVcpu * values.cloudSqlGibHour
  const standby = 2
  const cloudSql =
    sizes.postgresVcpusPerCell * values.cells * vcpuHour * hoursPerMonth * standby +
    sizes.ledgerGbPerMonth * values.ledgerMonths * values.cloudSqlStorage
  const memorystore = values.memorystore * values.cells
  const pubsub = ((month(mean.events) * values.eventBytes * (1 + values.pubsubDeliveries)) / tib) * values.pubsubPerTib
  const egress = ((month(mean.coreRequests) * values.answerBytes) / gib) * values.egressPerGib
  const total = workers + upstash + cloudRun + cloudSql + memorystore + pubsub + egress
  return { workers, upstash, upstashPlan, upstashOther, cloudRun, cloudSql, memorystore, pubsub, egress, total }
}

/** By command, or by as many fixed databases as the busiest minute needs: whichever is cheaper. */
const upstashCost = (mean: Load, sizes: Sizes, values: Values) => {
  const copies = values.upstashRegions - 1
  const charged = mean.upstashCommands + mean.upstashWrites * copies
  const used = ((charged * secondsPerMonth) / million) * values.upstashPerMillion
  const fixed = sizes.upstashDatabases * (values.upstashFixed + copies * values.upstashRegion)
  const isFixed = fixed < used
  return {
    upstash: Math.min(used, fixed),
    upstashPlan: isFixed ? ('fixed' as const) : ('pay as you go' as const),
    upstashOther: Math.max(used, fixed),
  }
}
