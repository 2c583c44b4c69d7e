/** What reads of a profile cost by the tier that answers them, the nearest first. */
export const readScenarioNames = [
  'memory-public',
  'memory-session',
  'memory-sessions',
  'not-modified',
  'memory-narrow',
  'memory-wide',
  'data-centre',
  'upstash',
  'miss',
] as const
export type ReadScenarioName = (typeof readScenarioNames)[number]

/** One flag of a thousand, and all of them: none of twenty rules of each is for whoever asks. */
export const evaluationScenarioNames = ['evaluate-flag', 'evaluate-flags'] as const
export type EvaluationScenarioName = (typeof evaluationScenarioNames)[number]

export const edgeScenarioNames = [...readScenarioNames, ...evaluationScenarioNames] as const
export type EdgeScenarioName = (typeof edgeScenarioNames)[number]

export const isEvaluation = (name: EdgeScenarioName): name is EvaluationScenarioName =>
  evaluationScenarioNames.some((known) => known === name)

/** The Worker as it is deployed, or one in which a single tier answers; `steady-memory` asks nobody whether it still holds. */
export type EdgeWorker = 'main' | 'steady-memory' | Tier

export type Tier = 'memory' | 'data-centre' | 'upstash' | 'core'

export type EdgeScenario = {
  readonly worker: EdgeWorker
  /** Which must answer, as `Cache-Status` tells; the run fails where another does. */
  readonly tier: Tier
  /** How many profiles are read, in turn: more than there are connections where no read may join another's question. */
  readonly players: number
  /** How many sessions read, in turn. 0: nobody says who they are. */
  readonly sessions: number
  /** Whether the reader holds the answer already. */
  readonly conditional?: true
}

/** Twice the most connections, and soon made. */
const many = 1_024
/** An isolate remembers ten times as many. */
const sessions = 1_000
/** All that there are: in a phase hardly one is read twice. */
const all = 10_000

export const edgeScenarios: Readonly<Record<ReadScenarioName, EdgeScenario>> = {
  'memory-public': { worker: 'memory', tier: 'memory', players: 1, sessions: 0 },
  'memory-session': { worker: 'main', tier: 'memory', players: 1, sessions: 1 },
  'memory-sessions': { worker: 'main', tier: 'memory', players: 1, sessions },
  'not-modified': { worker: 'main', tier: 'memory', players: 1, sessions: 1, conditional: true },
  'memory-narrow': { worker: 'steady-memory', tier: 'memory', players: all / 100, sessions: 1 },
  'memory-wide': { worker: 'steady-memory', tier: 'memory', players: all, sessions: 1 },
  'data-centre': { worker: 'data-centre', tier: 'data-centre', players: many, sessions: 1 },
  upstash: { worker: 'upstash', tier: 'upstash', players: many, sessions: 1 },
  miss: { worker: 'core', tier: 'core', players: all, sessions: 1 },
}
