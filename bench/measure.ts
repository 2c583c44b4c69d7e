import { availableParallelism } from 'node:os'
import { cpuOf, cpuOfFamily, cpuOfMachine } from './cpu.ts'

/** One stretch of load. */
export type Phase = {
  readonly connections: number
  readonly seconds: number
  /** Requests a second; absent: a closed loop. */
  readonly rate?: number
}

/** Microseconds of CPU a request. Undefined where the process is not known, or the system does not tell. */
export type Cpu = {
  /** What made the load: our generator, or pgbench. */
  readonly load: number | undefined
  readonly server: number | undefined
  /** What the server asked: Postgres, for an edge the core and Upstash as well. */
  readonly behind: number | undefined
}

export type Measurement = {
  /** All that were sent, those of the warm-up included. */
  readonly requests: number
  /** Answers a second, within the window. */
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** At a fixed rate: how long after it was due the median request was sent, which its latency contains. */
  readonly lateMs: number | undefined
  readonly cpu: Cpu
  /** The share of the machine, 0 to 1, that others took meanwhile. Undefined where it cannot be told. */
  readonly others: number | undefined
  /** What a request caused elsewhere, of each thing that was counted by its name. Empty where nobody counts. */
  readonly counts: Readonly<Record<string, number>>
  /** How many requests failed, by how. */
  readonly errors: Readonly<Record<string, number>>
}

/** Counts what requests cause elsewhere. */
export type Counters = {
  begin(): Promise<void>
  /** What was counted since `begin`, by name; what is still under way behind the answers is waited for. */
  end(): Promise<Readonly<Record<string, number>>>
}

/** Something that can be put under load, again and again. */
export type Contestant = {
  readonly name: string
  /** @throws Error when it breaks down under the load */
  measure(phase: Phase): Promise<Measurement>
}

/** Before each phase: connections are made, plans chosen, code compiled. The 128 backends of pgbench need the most. */
export const warmSeconds = 1.5

/** Whose CPU is told apart; `load` is this process where it is absent. */
export type Processes = {
  readonly load?: number
  readonly server?: number
  /** Each with its children: Postgres is a process for each connection. */
  readonly behind?: readonly number[]
}

/** CPU in all by a moment, microseconds. */
export type Reading = Cpu & { readonly machine: number | undefined; readonly atMs: number }

export const readCpu = ({ load = process.pid, server, behind }: Processes): Reading => ({
  load: cpuOf(load),
  server: server === undefined ? undefined : cpuOf(server),
  behind: behind && sumOf(behind.map(cpuOfFamily)),
  machine: cpuOfMachine(),
  atMs: performance.now(),
})

/** What was used between two readings, by `requests`. */
export const cpuPerRequest = (before: Reading, after: Reading, requests: number): Cpu => {
  const share = (part: keyof Cpu) => {
    const used = difference(before[part], after[part])
    return used === undefined || requests === 0 ? undefined : used / requests
  }
  return { load: share('load'), server: share('server'), behind: share('behind') }
}

/**
 * The share of the machine, 0 to 1, that programs outside of the measurement took between two readings. Undefined where it
 * is not known what is behind a contestant, for that would count as one of them.
 */
export const disturbance = (before: Reading, after: Reading): number | undefined => {
  const all = difference(before.machine, after.machine)
  const behind = difference(before.behind, after.behind)
  if (all === undefined || behind === undefined) return undefined
  const ours = behind + (difference(before.load, after.load) ?? 0) + (difference(before.server, after.server) ?? 0)
  return Math.max(0, all - ours) / ((after.atMs - before.atMs) * 1_000 * availableParallelism())
}

/** Counts by name, divided. */
export const perRequest = (counts: Readonly<Record<string, number>>, requests: number): Record<string, number> =>
  Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, count / requests]))

/** Undefined where one of them is. */
const sumOf = (values: readonly (number | undefined)[]): number | undefined =>
  values.reduce((sum, value) => (sum === undefined || value === undefined ? undefined : sum + value), 0)

const difference = (from: number | undefined, to: number | undefined): number | undefined =>
  from === undefined || to === undefined ? undefined : to - from

/** The value that `share` (0 to 1) of all do not exceed; NaN of none. */
export const quantile = (values: readonly number[], share: number): number => {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** The median of each figure by itself. Requests and errors are added up: none of them may be lost. */
export const medianOf = (rounds: readonly Measurement[]): Measurement => {
  const required = (figure: (measured: Measurement) => number) => quantile(rounds.map(figure), 0.5)
  const optional = (figure: (measured: Measurement) => number | undefined) => {
    const known = rounds.map(figure).filter((value) => value !== undefined)
    return known.length === rounds.length ? quantile(known, 0.5) : undefined
  }
  return {
    requests: rounds.reduce((sum, { requests }) => sum + requests, 0),
    requestsPerSecond: required((measured) => measured.requestsPerSecond),
    p50Ms: required((measured) => measured.p50Ms),
    p99Ms: required((measured) => measured.p99Ms),
    lateMs: optional((measured) => measured.lateMs),
    cpu: {
      load: optional((measured) => measured.cpu.load),
      server: optional((measured) => measured.cpu.server),
      behind: optional((measured) => measured.cpu.behind),
    },
    others: optional((measured) => measured.others),
    counts: Object.fromEntries(
      Object.keys(rounds[0]?.counts ?? {}).map((name) => [name, required(({ counts }) => counts[name] ?? Number.NaN)]),
    ),
    errors: addUp(rounds.map(({ errors }) => errors)),
  }
}

/** Counts by name, of all together. */
export const addUp = (counts: readonly Readonly<Record<string, number>>[]): Record<string, number> => {
  const sums: Record<string, number> = {}
  for (const each of counts) for (const [name, count] of Object.entries(each)) sums[name] = (sums[name] ?? 0) + count
  return sums
}
