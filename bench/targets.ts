import { quantile } from './measure.ts'
import type { Row } from './rounds.ts'
import { type Verdict, verdict } from './verdict.ts'

/** The names by which targets find their rows. */
export const contestants = {
  perigee: 'Perigee',
  reporting: 'Perigee, reporting',
  oneStatement: 'Perigee, one statement a request',
  setOfOne: 'pgbench, set of one',
  lean: 'pgbench, lean statement',
} as const

const crowd = 128
const throughputFactor = 2
const cpuShareMax = 0.4
const extraMsMax = 1
/** What telemetry may cost of a core's CPU a request. */
const telemetryShareMax = 0.05

/** The three targets of grants, by the medians of a run. A miss is told with its figures. */
export const judge = (rows: readonly Row[]): Verdict[] => {
  const grant = (contestant: string, connections: number) =>
    rows.find(
      (row) =>
        row.scenario === 'grant' &&
        row.contestant === contestant &&
        row.connections === connections &&
        row.rate === undefined,
    )?.median
  const { perigee, oneStatement, setOfOne, lean } = contestants
  const peers = [setOfOne, lean]
  const cpuOf = (contestant: string) => {
    const { server, behind } = grant(contestant, crowd)?.cpu ?? {}
    return server === undefined || behind === undefined ? undefined : server + behind
  }

  return [
    ...peers.map((peer) =>
      verdict(`grants at ${crowd} connections are at least ${throughputFactor} x ${peer}`, {
        own: grant(perigee, crowd)?.requestsPerSecond,
        other: grant(peer, crowd)?.requestsPerSecond,
        tell: (own, other) => `${own.toFixed(0)}/s and ${other.toFixed(0)}/s, ${(own / other).toFixed(2)} x`,
        met: (own, other) => own >= throughputFactor * other,
      }),
    ),
    verdict(`CPU of a grant at ${crowd} connections is below ${cpuShareMax} of one statement a request`, {
      own: cpuOf(perigee),
      other: cpuOf(oneStatement),
      tell: (own, other) => `${own.toFixed(0)} us and ${other.toFixed(0)} us, ${(own / other).toFixed(2)}`,
      met: (own, other) => own < cpuShareMax * other,
    }),
    ...peers.map((peer) =>
      verdict(`p50 of a grant at one connection is at most ${extraMsMax} ms above ${peer}`, {
        own: grant(perigee, 1)?.p50Ms,
        other: grant(peer, 1)?.p50Ms,
        tell: (own, other) => `${own.toFixed(2)} ms and ${other.toFixed(2)} ms, ${(own - other).toFixed(2)} ms more`,
        met: (own, other) => own <= other + extraMsMax,
      }),
    ),
  ]
}

/**
 * What a core that reports costs above one that does not. Each round of the one is compared with that of the other which it took
 * turns with, since what disturbs the machine for longer disturbs both: of all these ratios the median, and between which two of
 * them the true one lies by a chance of 95 %, whatever they are distributed like.
 */
export const judgeTelemetry = (rows: readonly Row[]): Verdict[] =>
  [...new Set(rows.map(({ scenario }) => scenario))].map((scenario) => {
    const ofScenario = rows.filter((row) => row.scenario === scenario)
    const costsOf = (name: string) =>
      ofScenario
        .filter(({ contestant }) => contestant === name)
        .flatMap(({ rounds }) => rounds.map(({ cpu }) => cpu.server))
    const plain = costsOf(contestants.perigee)
    const ratios = costsOf(contestants.reporting).map((cost, at) => (cost ?? Number.NaN) / (plain[at] ?? Number.NaN))
    const target = `${scenario}: telemetry costs less than ${telemetryShareMax * 100} % of the core's CPU a request`
    if (ratios.length === 0 || ratios.some(Number.isNaN)) return { target, found: 'not measured', met: undefined }
    // The ranks between which the median of a distribution lies, as tosses of a coin have it.
    const aside = 0.98 / Math.sqrt(ratios.length)
    const [low, median, high] = [0.5 - aside, 0.5, 0.5 + aside].map(
      (share) => (quantile(ratios, Math.max(0, share)) - 1) * 100,
    )
    const figure = (percent = Number.NaN) => percent.toFixed(1)
    return {
      target,
      found: `${figure(median)} % more, by a chance of 95 % between ${figure(low)} and ${figure(high)} %, of ${ratios.length} pairs`,
      met: (median ?? Number.NaN) < telemetryShareMax * 100,
    }
  })
