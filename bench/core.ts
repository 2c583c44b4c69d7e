import type { Cleanup } from './cleanup.ts'
import { startCollectorProcess } from './collector.ts'
import { openCounters } from './counters.ts'
import { lean, setOfOne } from './grant-sql.ts'
import { httpContestant } from './http-contestant.ts'
import { checkLedger } from './ledger.ts'
import { readMachine } from './machine.ts'
import type { Contestant } from './measure.ts'
import { nakamaContestant } from './nakama.ts'
import type { CoreOptions } from './options.ts'
import { findPgbench } from './pgbench.ts'
import { pgbenchContestant } from './pgbench-contestant.ts'
import type { Result } from './report.ts'
import { type Row, runRounds, type Section } from './rounds.ts'
import { type ScenarioName, sourceOf } from './scenarios.ts'
import { type Stage, startStage } from './stage.ts'
import type { Terms } from './table.ts'
import { contestants, judge, judgeTelemetry } from './targets.ts'

/** Each command by itself, on as many connections as the pool has: what a core is that does not write in sets. */
const oneStatement = { WRITE_SET_SIZE: '1', WRITE_SETS_IN_FLIGHT: '16' }

const terms: Terms = {
  behind: 'Postgres',
  counts: [
    { name: 'statements', title: 'statements', per: 1, digits: 3 },
    { name: 'transactions', title: 'transactions', per: 1, digits: 3 },
  ],
}

const explained = `CPU is that of the generator, of the server before Postgres, of Postgres with all its processes. The fixed rate of each contestant
is half of what it reached itself. Statements are round trips to Postgres; like transactions they are a request's.`

/** Measures a core's hot paths where the edge would call them, beside Postgres alone. */
export const runCoreSuite = async (
  options: CoreOptions,
  cleanup: Cleanup,
  report: (line: string) => void,
): Promise<Result> => {
  const stage = await startStage(cleanup, report)
  const sections = await sectionsOf(stage, options, { cleanup, report })
  const machine = await readMachine(stage.serverUrl)
  const rows = await runRounds(sections, { ...options, report })
  const { principal, databaseUrl } = stage
  return {
    suite: options.suite,
    machine,
    secondsPerPhase: options.seconds,
    terms,
    explained,
    rows,
    verdicts: options.telemetry ? judgeTelemetry(rows) : judge(rows),
    ledger: await checkLedger(databaseUrl, principal, grantsOf(rows)),
    notes: findPgbench() ? [] : ['pgbench is not installed (Debian: postgresql-contrib), so it was not measured.'],
  }
}

/** Grants that were answered with success, by whom they were asked. A peer's are none of ours. */
const grantsOf = (rows: readonly Row[]): number => {
  const ours = new Set<string>(Object.values(contestants))
  return rows
    .filter(({ scenario, contestant }) => scenario === 'grant' && ours.has(contestant))
    .reduce((sum, { median }) => sum + median.requests - Object.values(median.errors).reduce((a, b) => a + b, 0), 0)
}

const sectionsOf = async (
  stage: Stage,
  { scenarios, nakama, telemetry }: CoreOptions,
  { cleanup, report }: { readonly cleanup: Cleanup; readonly report: (line: string) => void },
): Promise<Section[]> => {
  const { postgresPid, credentials, databaseUrl, folder, principal } = stage
  const counters = await openCounters(stage.serverUrl, new URL(databaseUrl).pathname.slice(1))
  cleanup.add(() => counters.close())
  report('the core starts')
  const core = await stage.startCore('core', {})
  const perigee = (
    scenario: ScenarioName,
    name: string,
    { address, pid } = core,
    source = sourceOf(scenario, credentials),
  ): Contestant =>
    httpContestant({ name, address, source, processes: { server: pid, behind: [postgresPid] }, counters })

  const besideGrants = async (): Promise<Contestant[]> => {
    const variant = perigee(
      'grant',
      contestants.oneStatement,
      await stage.startCore('core-one-statement', oneStatement),
    )
    const binary = findPgbench()
    if (binary === undefined) return [variant]
    const common = { binary, databaseUrl, postgresPid, counters, folder }
    return [
      pgbenchContestant({ ...common, name: contestants.setOfOne, script: setOfOne(principal) }),
      variant,
      pgbenchContestant({ ...common, name: contestants.lean, script: lean(principal) }),
    ]
  }

  const reporting = telemetry
    ? await stage.startCore('core-reporting', await startCollectorProcess(folder, cleanup))
    : undefined
  if (reporting)
    return scenarios.map((scenario) => {
      // Both cores are on one database, and what one has rotated the other has to know.
      const source = sourceOf(scenario, credentials)
      return {
        scenario,
        contestants: [
          perigee(scenario, contestants.perigee, core, source),
          perigee(scenario, contestants.reporting, reporting, source),
        ],
        rateOf: contestants.perigee,
      }
    })

  const sections: Section[] = []
  for (const scenario of scenarios)
    sections.push({
      scenario,
      contestants: [
        perigee(scenario, contestants.perigee),
        ...(scenario === 'grant' ? await besideGrants() : []),
        ...(nakama ? [nakamaContestant(scenario, nakama)] : []),
      ],
    })
  return sections
}
