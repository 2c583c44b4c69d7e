import type { Address } from './connection.ts'
import { type Load, runLoad } from './load.ts'
import {
  addUp,
  type Contestant,
  type Counters,
  type Cpu,
  cpuPerRequest,
  disturbance,
  type Phase,
  type Processes,
  perRequest,
  quantile,
  readCpu,
  warmSeconds,
} from './measure.ts'

/** Requests that are built before the time in which they are sent. */
export type RequestSource = {
  /** The next `count` requests, to be sent within about `forMs` from now. */
  build(count: number, forMs: number): readonly Buffer[] | Promise<readonly Buffer[]>
  /** How many of those built last were sent; the rest is forgotten. */
  sent?(count: number): void
}

export type HttpContestantOptions = {
  readonly name: string
  readonly address: Address
  readonly source: RequestSource
  readonly processes: Processes
  readonly counters?: Counters
  /** The status that each answer must have; any of 2xx where it is absent. */
  readonly status?: number
}

/** A signature is good for half a minute around its date: longer phases go in slices. */
const sliceSecondsMax = 20
/** How many requests are built for each that is expected to be sent. A phase that runs out of them ends early. */
const slack = 1.6
/** Requests a second that are expected of one connection, and of many, before any was measured. */
const firstGuess = { one: 2_000, many: 8_000 }

/** A server that speaks HTTP. */
export const httpContestant = (options: HttpContestantOptions): Contestant => {
  const { name, address, source, processes, counters, status } = options
  const found = new Map<number, number>()

  const drive = async (phase: Phase, expected: number): Promise<Part> => {
    const count = Math.ceil(expected * phase.seconds * slack) + phase.connections
    const requests = await source.build(count, phase.seconds * 1_000)
    const before = readCpu(processes)
    const load = await runLoad({ ...phase, address, requests, ...(status === undefined ? {} : { status }) })
    const after = readCpu(processes)
    source.sent?.(load.sent)
    return { load, cpu: cpuPerRequest(before, after, load.sent), others: disturbance(before, after) }
  }

  return {
    name,
    measure: async (phase) => {
      const { connections, rate } = phase
      await counters?.begin()
      const guess = found.get(connections) ?? (connections === 1 ? firstGuess.one : firstGuess.many)
      const warm = await drive({ ...phase, seconds: warmSeconds }, rate ?? guess)
      const expected = rate ?? warm.load.answered / warm.load.seconds
      const slices = Math.ceil(phase.seconds / sliceSecondsMax)
      const parts: Part[] = []
      while (parts.length < slices) parts.push(await drive({ ...phase, seconds: phase.seconds / slices }, expected))
      const counts = (await counters?.end()) ?? {}

      const sent = sum([warm, ...parts], ({ load }) => load.sent)
      const requestsPerSecond = sum(parts, ({ load }) => load.answered) / sum(parts, ({ load }) => load.seconds)
      if (rate === undefined) found.set(connections, requestsPerSecond)
      const latenciesMs = parts.flatMap(({ load }) => load.latenciesMs)
      return {
        requests: sent,
        requestsPerSecond,
        p50Ms: quantile(latenciesMs, 0.5),
        p99Ms: quantile(latenciesMs, 0.99),
        lateMs:
          rate === undefined
            ? undefined
            : quantile(
                parts.flatMap(({ load }) => load.lateMs),
                0.5,
              ),
        cpu: {
          load: weighted(parts, ({ cpu }) => cpu.load),
          server: weighted(parts, ({ cpu }) => cpu.server),
          behind: weighted(parts, ({ cpu }) => cpu.behind),
        },
        others: weighted(parts, ({ others }) => others),
        counts: perRequest(counts, sent),
        errors: addUp([warm, ...parts].map(({ load }) => load.errors)),
      }
    },
  }
}

type Part = { readonly load: Load; readonly cpu: Cpu; readonly others: number | undefined }

const sum = (parts: readonly Part[], figure: (part: Part) => number) =>
  parts.reduce((total, part) => total + figure(part), 0)

/** A figure over all parts, each by the requests that it sent. */
const weighted = (parts: readonly Part[], figure: (part: Part) => number | undefined): number | undefined => {
  const sent = sum(parts, ({ load }) => load.sent)
  return parts.some((part) => figure(part) === undefined)
    ? undefined
    : sum(parts, (part) => ((figure(part) ?? 0) * part.load.sent) / sent)
}
