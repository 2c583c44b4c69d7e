import type { Row } from './rounds.ts'
import { type Verdict, verdict } from './verdict.ts'

/** The names by which targets find their rows. */
export const contestants = {
  perigee: 'Perigee',
  oneStatement: 'Perigee, one statement a request',
  setOfOne: 'pgbench, set of one',
  lean: 'pgbench, lean statement',
} as const

const crowd = 128
const throughputFactor = 2
const cpuShareMax = 0.4
const extraMsMax = 1

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
