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
 * What a core that reports costs above one that does not, by the mean over all loads: each alone differs by more than telemetry
 * costs, whatever is measured.
 */
export const judgeTelemetry = (rows: readonly Row[]): Verdict[] =>
  [...new Set(rows.map(({ scenario }) => scenario))].map((scenario) => {
    const meanOf = (contestant: string): number | undefined => {
      const figures = rows
        .filter((row) => row.scenario === scenario && row.contestant === contestant)
        .map(({ median }) => median.cpu.server)
      return figures.reduce<number | undefined>(
        (sum, figure) => (sum === undefined || figure === undefined ? undefined : sum + figure / figures.length),
        0,
      )
    }
    return verdict(`${scenario}: telemetry costs less than ${telemetryShareMax * 100} % of the core's CPU a request`, {
      own: meanOf(contestants.reporting),
      other: meanOf(contestants.perigee),
      tell: (own, other) =>
        `${own.toFixed(1)} us and ${other.toFixed(1)} us, ${((own / other - 1) * 100).toFixed(1)} % more`,
      met: (own, other) => own < other * (1 + telemetryShareMax),
    })
  })
