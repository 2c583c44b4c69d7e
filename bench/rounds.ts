import { type Contestant, type Measurement, medianOf, type Phase } from './measure.ts'

/** Contestants that do the same, or the nearest that they have. */
export type Section = {
  readonly scenario: string
  readonly contestants: readonly Contestant[]
  /** Whose half of a closed loop is the rate of all, so that latencies can be compared; absent: each has its own. */
  readonly rateOf?: string
}

/** What one contestant did under one load. */
export type Row = {
  readonly scenario: string
  readonly contestant: string
  readonly connections: number
  /** Requests a second of an open loop; absent: a closed one. */
  readonly rate?: number
  readonly median: Measurement
  readonly rounds: readonly Measurement[]
}

export type RoundsOptions = {
  readonly connections: readonly number[]
  readonly seconds: number
  /** How often each contestant has its turn. */
  readonly rounds: number
  /** Hears of every phase when it is over. */
  readonly report: (line: string) => void
}

/** Where the rate of the open loop is taken from: enough connections to be busy, too few to queue for long. */
const rateConnections = 32
/** Below saturation, so that a latency is that of the path and not of a queue that only grows. */
const rateShare = 0.5

/**
 * Measures all contestants of a section in turn, and again the other way round: what disturbs the machine for a while, or comes of who
 * was before, disturbs them alike.
 * First closed loops, then one open loop at half the rate that each, or the one that sets the pace, was found to do.
 */
export const runRounds = async (sections: readonly Section[], options: RoundsOptions): Promise<Row[]> => {
  const { connections, seconds, rounds: roundsCount } = options
  const phases = sections.reduce((sum, { contestants }) => sum + contestants.length, 0) * (connections.length + 1)
  const progress = createProgress(phases * roundsCount, options.report)
  const rows: Row[] = []
  for (const { scenario, contestants, rateOf } of sections) {
    const measureAll = async (phaseOf: (contestant: string) => Phase) => {
      const rounds = new Map<string, Measurement[]>(contestants.map(({ name }) => [name, []]))
      for (let round = 1; round <= roundsCount; round++)
        for (const { name, measure } of round % 2 === 1 ? contestants : contestants.toReversed()) {
          const measured = await measure(phaseOf(name))
          rounds.get(name)?.push(measured)
          progress({ scenario, contestant: name, phase: phaseOf(name), round, measured })
        }
      for (const [contestant, measured] of rounds) {
        const { connections, rate } = phaseOf(contestant)
        const load = { connections, ...(rate === undefined ? {} : { rate }) }
        rows.push({ scenario, contestant, ...load, median: medianOf(measured), rounds: measured })
      }
    }
    for (const count of connections) await measureAll(() => ({ connections: count, seconds }))
    const reference = connections.includes(rateConnections) ? rateConnections : (connections.at(-1) ?? 1)
    await measureAll((contestant) => {
      const closed = rows.find(
        (row) =>
          row.scenario === scenario && row.contestant === (rateOf ?? contestant) && row.connections === reference,
      )
      const rate = Math.max(1, Math.round((closed?.median.requestsPerSecond ?? 0) * rateShare))
      return { connections: reference, seconds, rate }
    })
  }
  return rows
}

type Step = {
  readonly scenario: string
  readonly contestant: string
  readonly phase: Phase
  readonly round: number
  readonly measured: Measurement
}

const createProgress = (total: number, report: (line: string) => void) => {
  const startedMs = performance.now()
  let done = 0
  return ({ scenario, contestant, phase, round, measured }: Step) => {
    done++
    const minutes = ((performance.now() - startedMs) / done) * (total - done) * (1 / 60_000)
    const { connections, rate } = phase
    const over = connections === 1 ? '1 connection' : `${connections} connections`
    const load = rate === undefined ? over : `${rate}/s over ${over}`
    const { requestsPerSecond, p50Ms, p99Ms } = measured
    const found = `${Math.round(requestsPerSecond)}/s, p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`
    report(
      `[${done}/${total}, ${minutes.toFixed(1)} min left] ${scenario}: ${contestant}, ${load}, round ${round}: ${found}`,
    )
  }
}
