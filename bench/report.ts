import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LedgerCheck } from './ledger.ts'
import type { Machine } from './machine.ts'
import { plot } from './plot.ts'
import type { Profile } from './profile.ts'
import type { Row } from './rounds.ts'
import { type Terms, tableOf } from './table.ts'
import type { Verdict } from './verdict.ts'

/** All that a run has found. */
export type Result = {
  readonly suite: string
  readonly machine: Machine
  readonly secondsPerPhase: number
  readonly terms: Terms
  /** What a reader must know of the suite's own figures: Markdown, a paragraph. */
  readonly explained: string
  readonly rows: readonly Row[]
  readonly verdicts: readonly Verdict[]
  /** Of a suite that grants. */
  readonly ledger?: LedgerCheck
  /** What a reader must know about what is missing. */
  readonly notes: readonly string[]
  readonly profile?: NamedProfile
}

export type NamedProfile = Profile & { readonly scenario: string }

/** The rest is shares below a percent. */
const selfTimesMax = 20

/** Requests that may fail before a run is void: an error is cheaper than an answer, and would pass for speed. */
const errorShareMax = 0.001

/** The share of the machine that others may take before a reader is told: from there on, rounds differ by it. */
const othersMax = 0.1

/** Writes results.json, results.md and results.svg into `folder`, which is made. */
export const writeResult = (folder: string, result: Result): void => {
  mkdirSync(folder, { recursive: true })
  const { profile, ...data } = result
  writeFileSync(join(folder, 'results.json'), `${JSON.stringify(data, null, 2)}\n`)
  if (profile) writeFileSync(join(folder, `${profile.scenario}.cpuprofile`), profile.text)
  writeFileSync(join(folder, 'results.md'), markdownOf(result))
  writeFileSync(join(folder, 'results.svg'), plot(result.rows, result.terms))
}

/** What is printed at the end: the table, then a line a target, then what makes the run void. */
export const summaryOf = (result: Result): string =>
  [
    tableOf(result.rows, result.terms),
    '',
    ...verdictLines(result),
    ...notesOf(result),
    ...faultsOf(result),
    ...profileLines(result),
  ].join('\n')

const notesOf = ({ notes, rows }: Result): string[] => {
  const others = Math.max(0, ...rows.map(({ median }) => median.others ?? 0))
  const disturbed = `Other programs took up to ${Math.round(others * 100)} % of the machine: measure again when it is idle.`
  return others > othersMax ? [...notes, disturbed] : [...notes]
}

const verdictLines = ({ verdicts }: Result) =>
  verdicts.map(({ target, found, met }) => {
    const mark = met === undefined ? 'not judged' : met ? 'met' : 'MISSED'
    return `- ${mark}: ${target} (${found})`
  })

/** Why the figures of a run must not be believed; empty where they may. */
export const faultsOf = ({ rows, ledger }: Result): string[] => {
  const failing = rows.flatMap(({ scenario, contestant, connections, median: { requests, errors } }) => {
    const failed = Object.values(errors).reduce((sum, count) => sum + count, 0)
    if (failed <= errorShareMax * requests) return []
    return [`VOID: ${scenario}, ${contestant}, ${connections} connections: ${failed} of ${requests} requests failed`]
  })
  const { missing, wrongWallets } = ledger ?? { missing: 0, wrongWallets: 0 }
  if (missing > 0) failing.push(`VOID: ${missing} grants were answered and are not in the ledger`)
  if (wrongWallets > 0) failing.push(`VOID: ${wrongWallets} wallets are not the sum of their entries`)
  return failing
}

const profileLines = ({ profile }: Result): string[] => {
  if (profile === undefined) return []
  const shares = profile.selfTimes.slice(0, selfTimesMax).map(({ where, share }) => {
    const percent = (share * 100).toFixed(1).padStart(4)
    return `- ${percent} % ${where}`
  })
  return [`Where ${profile.scenario} spends its time, by functions themselves, with an inspector attached:`, ...shares]
}

const ledgerLines = ({ ledger }: Result): string[] => {
  if (ledger === undefined) return []
  const whole = ledger.wrongWallets === 0 ? 'yes' : 'NO'
  return [`The ledger holds ${ledger.grants} grants of this run; every balance is the sum of its entries: ${whole}.`]
}

const markdownOf = (result: Result): string => {
  const { machine, secondsPerPhase, rows } = result
  const settings = Object.entries(machine.settings).map(([name, value]) => `${name} = ${value}`)
  return `# Benchmark of the ${result.suite}

${machine.date}, ${machine.cores} cores (${machine.processor}), ${machine.memoryGb} GB, ${machine.system}, Node ${machine.node},
Postgres ${machine.postgres}. Load before the start: ${machine.loadBefore.toFixed(2)}. All parts share these cores.

Each figure is the median of ${rows[0]?.rounds.length} rounds of ${secondsPerPhase} s, in which the contestants took turns; ± is half the distance of the
farthest rounds. Closed loops: a connection sends when it has its answer. At a fixed rate (arrivals as of a Poisson process)
latency counts from the time at which a request was due; our generator's clock has steps of 1 ms, which adds to it (\`lateMs\` in
results.json). CPU is what a request costs, in microseconds. Others is the share of the machine that programs outside of the
measurement took: above a few percent the figures of that line are disturbed.

${result.explained}

${tableOf(rows, result.terms)}

${verdictLines(result).join('\n')}

${[...notesOf(result), ...faultsOf(result), ...ledgerLines(result), ...profileLines(result)].join('\n')}

Postgres: ${settings.join(', ')}.
`
}
