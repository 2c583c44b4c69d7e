import { costOf } from './cost.ts'
import type { PricedDeployment } from './deployments.ts'
import type { Values } from './inputs.ts'
import type { Load } from './load.ts'
import type { Day } from './simulation.ts'
import { rounded, tableOf } from './table.ts'

/** US dollars a month, by line of the bills. */
export type Bill = {
  readonly workers: number
  /** Lines of the Worker and of the platform, as `wrangler.toml` has it. */
  readonly workersLogs: number
  /** As many databases of a fixed plan as the busiest minute asks for. */
  readonly upstash: number
  /** The same load by command, as the database is that Terraform makes. */
  readonly upstashByUse: number
  readonly cloudRun: number
  readonly cloudSql: number
  readonly cloudSqlStorage: number
  readonly memorystore: number
  readonly pubsub: number
  readonly cloudLogging: number
  readonly network: number
}

const secondsPerMonth = 30.4 * 86_400
const hoursPerMonth = 730
const million = 1e6
const gib = 2 ** 30
const tib = 2 ** 40
const terabyte = 1e12

const workersLogsIncluded = 20e6
const cloudLoggingIncludedGib = 50
/** The collector beside each instance: terraform/modules/core-service, `collector`. */
const collector = { cpu: 1, memoryGib: 0.5 }

/** Fixed plans of Upstash: gigabytes of data, terabytes of traffic a month, dollars; half as much again for each region more. @see D4 to D6 of the inputs */
const upstashPlans = [
  { gb: 0.25, terabytes: 0.05, dollars: 10 },
  { gb: 1, terabytes: 0.1, dollars: 20 },
  { gb: 5, terabytes: 0.5, dollars: 100 },
  { gb: 10, terabytes: 1, dollars: 200 },
  { gb: 50, terabytes: 5, dollars: 400 },
] as const

/** What a deployment costs under the load of its day. `values` are those of the simulation that gave it. */
export const billOf = (deployment: PricedDeployment, { loads, sizes }: Day, values: Values): Bill => {
  const mean = loads.find(({ name }) => name === 'mean')
  if (!mean) throw new Error('a bill is made of a day')
  const { workers, memorystore, pubsub } = costOf(mean, sizes, values)
  const { cells, database, readRegions } = deployment
  const instances = (database.standby ? 2 : 1) + database.copies
  const vcpuHour = database.vcpus * values.cloudSqlVcpuHour + database.memoryGib * values.cloudSqlGibHour
  const storageGib = Math.max(database.diskGb, (sizes.ledgerGbPerMonth * values.ledgerMonths) / cells)
  const charged = mean.upstashCommands + mean.upstashWrites * readRegions
  return {
    ...{ workers, memorystore, pubsub },
    workersLogs: workersLogsOf(mean, values),
    upstash: fixedUpstash(mean, { ...sizes, readRegions }, values),
    upstashByUse: ((charged * secondsPerMonth) / million) * values.upstashPerMillion,
    cloudRun: cells * cloudRunOf(deployment, mean.cpus.core / cells, values),
    cloudSql: cells * instances * vcpuHour * hoursPerMonth,
    // The price has a standby in it.
    cloudSqlStorage: cells * instances * storageGib * (values.cloudSqlStorage / 2),
    cloudLogging:
      Math.max(0, (mean.coreRequests * secondsPerMonth * values.logLineBytes) / gib - cloudLoggingIncludedGib) *
      values.cloudLoggingPerGib,
    network: networkOf(mean.coreRequests * secondsPerMonth * values.answerBytes, values),
  }
}

/** A line for each request that memory did not answer; the platform's own, one for each request, are switched off in `wrangler.toml`. */
const workersLogsOf = ({ requests, cached }: Load, values: Values): number => {
  const lines = requests - cached.readsPerSecond * cached.shares.memory
  return (Math.max(0, lines * secondsPerMonth - workersLogsIncluded) / million) * values.workersLogsPerMillion
}

const fixedUpstash = (
  { cached }: Load,
  sizes: { readonly upstashDatabases: number; readonly upstashGb: number; readonly readRegions: number },
  values: Values,
): number => {
  const { readsPerSecond, shares, perSecond } = cached
  const bytes = (readsPerSecond * shares.upstash + perSecond.fills) * values.upstashEntryBytes * secondsPerMonth
  const databases = sizes.upstashDatabases
  const costs = upstashPlans
    .filter((plan) => databases * plan.gb >= sizes.upstashGb && databases * plan.terabytes >= bytes / terabyte)
    .map(({ dollars }) => databases * dollars * (1 + sizes.readRegions / 2))
  return Math.min(...costs)
}

/** Instances that are always there, or as many as the mean of the day keeps busy. */
const cloudRunOf = ({ api, worker }: PricedDeployment, busyCpus: number, values: Values): number => {
  const apis = Math.max(api.min, busyCpus / values.coreUtilisation / api.cpu)
  const cpus = apis * (api.cpu + collector.cpu) + worker.min * (worker.cpu + collector.cpu)
  const memory = apis * (api.memoryGib + collector.memoryGib) + worker.min * (worker.memoryGib + collector.memoryGib)
  return (cpus * values.cloudRunVcpuSecond + memory * values.cloudRunGibSecond) * secondsPerMonth
}

/** The first tebibyte, the nine after it, and the rest. */
const networkOf = (bytes: number, values: Values): number => {
  const first = Math.min(bytes, tib)
  const next = Math.min(Math.max(0, bytes - tib), 9 * tib)
  const rest = Math.max(0, bytes - 10 * tib)
  return (first * values.egressFirstPerGib + next * values.egressNextPerGib + rest * values.egressPerGib) / gib
}

const lines: readonly (readonly [name: string, of: (bill: Bill) => number])[] = [
  ['Workers', ({ workers }) => workers],
  ['Workers Logs', ({ workersLogs }) => workersLogs],
  ['Upstash, fixed plan', ({ upstash }) => upstash],
  ['Cloud Run', ({ cloudRun }) => cloudRun],
  ['Cloud SQL, machines', ({ cloudSql }) => cloudSql],
  ['Cloud SQL, storage', ({ cloudSqlStorage }) => cloudSqlStorage],
  ['Memorystore', ({ memorystore }) => memorystore],
  ['Pub/Sub', ({ pubsub }) => pubsub],
  ['Cloud Logging', ({ cloudLogging }) => cloudLogging],
  ['network', ({ network }) => network],
]

const totalOf = (bill: Bill): number => lines.reduce((sum, [, of]) => sum + of(bill), 0)

/** A row a line, a column a deployment; below the sum what comes on top where it is left as it is delivered. */
export const billTable = (bills: readonly { readonly name: string; readonly bill: Bill }[]): string =>
  tableOf(
    ['US dollars a month', ...bills.map(({ name }) => name)],
    [...lines, ['**together**', totalOf] as const, ...beside].map(([name, of]) => [
      name,
      ...bills.map(({ bill }) => rounded(of(bill))),
    ]),
  )

const beside: readonly (readonly [string, (bill: Bill) => number])[] = [
  ['Upstash, by command instead', ({ upstashByUse }) => upstashByUse],
]
