import type { EdgeScenarioName } from './edge-scenarios.ts'
import type { Row } from './rounds.ts'
import { type Verdict, verdict } from './verdict.ts'

/** The names by which targets find their rows. */
export const contestants = { perigee: 'Perigee', bare: 'bare Hono Worker' } as const

const extraMicrosecondsMax = 30
const throughputShareMin = 0.7
const throughputShareGoal = 0.8
const latencyFactorMax = 1.5
const wideFactorMax = 1.1
const allFlagsMicrosecondsMax = 2_000
const oneFlagShareMin = 0.6
/** Keys are fetched anew in the middle of a phase, once in some seconds; and what is under way when it ends. */
const countTolerance = 0.01

/** The targets of reads at the edge, by the medians of a run. A miss is told with its figures. */
export const judgeEdge = (rows: readonly Row[]): Verdict[] => {
  const atRate = (scenario: EdgeScenarioName, contestant: string) =>
    rows.find((row) => row.scenario === scenario && row.contestant === contestant && row.rate !== undefined)
  /** With as many connections as the fixed rate was sent over. */
  const closed = (scenario: EdgeScenarioName, contestant: string) => {
    const connections = atRate(scenario, contestant)?.connections
    return rows.find(
      (row) =>
        row.scenario === scenario &&
        row.contestant === contestant &&
        row.connections === connections &&
        row.rate === undefined,
    )?.median
  }
  const { perigee, bare } = contestants
  const session = 'memory-session'
  const [own, other] = [closed(session, perigee), closed(session, bare)]
  const [ownAtRate, otherAtRate] = [atRate(session, perigee)?.median, atRate(session, bare)?.median]
  return [
    verdict(
      `CPU of a hit in memory with a verified session is at most ${extraMicrosecondsMax} us above the bare Worker`,
      {
        own: own?.cpu.server,
        other: other?.cpu.server,
        tell: (a, b) => `${a.toFixed(0)} us and ${b.toFixed(0)} us, ${(a - b).toFixed(0)} us more`,
        met: (a, b) => a <= b + extraMicrosecondsMax,
      },
    ),
    ...[throughputShareMin, throughputShareGoal].map((share) =>
      verdict(`such hits are at least ${share} of the bare Worker's requests a second`, {
        own: own?.requestsPerSecond,
        other: other?.requestsPerSecond,
        tell: (a, b) => `${a.toFixed(0)}/s and ${b.toFixed(0)}/s, ${(a / b).toFixed(2)}`,
        met: (a, b) => a >= share * b,
      }),
    ),
    verdict(`p99 of such a hit at a fixed rate is at most ${latencyFactorMax} x that of the bare Worker`, {
      own: ownAtRate?.p99Ms,
      other: otherAtRate?.p99Ms,
      tell: (a, b) => `${a.toFixed(2)} ms and ${b.toFixed(2)} ms, ${(a / b).toFixed(2)} x`,
      met: (a, b) => a <= latencyFactorMax * b,
    }),
    verdict('CPU of a hit grows by less than 10 % when a hundred times as many things are read', {
      own: closed('memory-wide', perigee)?.cpu.server,
      other: closed('memory-narrow', perigee)?.cpu.server,
      tell: (a, b) => `${a.toFixed(0)} us and ${b.toFixed(0)} us, ${(a / b).toFixed(2)} x`,
      met: (a, b) => a < wideFactorMax * b,
    }),
    verdict(`CPU of evaluating a thousand flags of twenty rules is below ${allFlagsMicrosecondsMax} us`, {
      own: closed('evaluate-flags', perigee)?.cpu.server,
      other: closed('evaluate-flags', bare)?.cpu.server,
      tell: (a, b) => `${a.toFixed(0)} us, of which the bare Worker takes ${b.toFixed(0)} us`,
      met: (a) => a < allFlagsMicrosecondsMax,
    }),
    verdict(`evaluations of one flag are at least ${oneFlagShareMin} of the bare Worker's requests a second`, {
      own: closed('evaluate-flag', perigee)?.requestsPerSecond,
      other: closed('evaluate-flag', bare)?.requestsPerSecond,
      tell: (a, b) => `${a.toFixed(0)}/s and ${b.toFixed(0)}/s, ${(a / b).toFixed(2)}`,
      met: (a, b) => a >= oneFlagShareMin * b,
    }),
    countVerdict('a hit in Upstash is one request to it, and none to the core', closed('upstash', perigee), {
      upstashRequests: 1,
      coreRequests: 0,
    }),
    countVerdict('a miss is two requests to Upstash, look-up and fill, and one to the core', closed('miss', perigee), {
      upstashRequests: 2,
      coreRequests: 1,
    }),
  ]
}

type Wanted = { readonly upstashRequests: number; readonly coreRequests: number }

const countVerdict = (target: string, median: Row['median'] | undefined, wanted: Wanted): Verdict => {
  const { upstashRequests, coreRequests } = median?.counts ?? {}
  return verdict(target, {
    own: upstashRequests,
    other: coreRequests,
    tell: (upstash, core) => `${upstash.toFixed(3)} and ${core.toFixed(3)} a read`,
    met: (upstash, core) =>
      Math.abs(upstash - wanted.upstashRequests) <= countTolerance &&
      Math.abs(core - wanted.coreRequests) <= countTolerance,
  })
}
