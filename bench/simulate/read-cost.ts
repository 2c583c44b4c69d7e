import { commandsOf, fillWrites } from './commands.ts'
import type { Values } from './inputs.ts'

/** What a million reads of a profile cost by who answers them, US dollars. */
export type ReadCost = {
  readonly answeredBy: string
  /** Requests and CPU of the Worker. */
  readonly workers: number
  /** Commands, pay as you go. */
  readonly upstashByUse: number
  /** The same commands as a part of fixed databases that do all they can. */
  readonly upstashFixed: number
  /** CPU of core and Postgres, and the answer's way to the edge. */
  readonly core: number
}

const gib = 2 ** 30
const million = 1e6
const secondsPerHour = 3_600
const secondsPerMonth = 30.4 * 86_400
const standby = 2

/** The nearest tier first. */
export const readCostsOf = (values: Values): readonly ReadCost[] => {
  const copies = values.upstashRegions - 1
  const fill = commandsOf.fills + fillWrites * copies
  const row = (
    answeredBy: string,
    edgeUs: number,
    upstash: { readonly done: number; readonly charged: number },
    core = 0,
  ): ReadCost => ({
    answeredBy,
    workers: values.workersPerMillion + (edgeUs / 1_000) * values.workersCpuPerMillionMs,
    upstashByUse: upstash.charged * values.upstashPerMillion,
    upstashFixed: upstash.done * fixedPerMillion(values),
    core,
  })
  const lookUp = { done: commandsOf.lookUps, charged: commandsOf.lookUps }
  return [
    row('memory', values.edgeMemoryUs, none),
    row('data centre', values.edgeDataCentreUs, none),
    row('Upstash', values.edgeUpstashUs, lookUp),
    row(
      'core',
      values.edgeMissUs,
      { done: lookUp.done + commandsOf.fills, charged: lookUp.charged + fill },
      corePerMillion(values),
    ),
    row('core, without Upstash', values.edgeForwardUs, none, corePerMillion(values)),
  ]
}

const none = { done: 0, charged: 0 }

const fixedPerMillion = (values: Values): number => {
  const database = values.upstashFixed + (values.upstashRegions - 1) * values.upstashRegion
  return (database / (values.upstashCommandsMax * secondsPerMonth)) * million
}

const corePerMillion = (values: Values): number => {
  const coreSecond = values.cloudRunVcpuSecond + values.coreGibPerVcpu * values.cloudRunGibSecond
  const sqlHour = (values.cloudSqlVcpuHour + values.postgresGibPerVcpu * values.cloudSqlGibHour) * standby
  return (
    (values.coreReadUs / values.coreUtilisation) * coreSecond +
    (values.postgresReadUs / values.postgresUtilisation) * (sqlHour / secondsPerHour) +
    ((million * values.answerBytes) / gib) * values.egressPerGib
  )
}
