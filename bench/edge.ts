import type { Cleanup } from './cleanup.ts'
import { edgeContestants, readShared, readsOf, type SharedAnswer } from './edge-contestants.ts'
import { evaluationContestants, evaluationsOf } from './edge-evaluations.ts'
import { type EdgeScenarioName, edgeScenarios, isEvaluation } from './edge-scenarios.ts'
import { type EdgeStage, startEdgeStage } from './edge-stage.ts'
import { contestants, judgeEdge } from './edge-targets.ts'
import { runLoad } from './load.ts'
import { readMachine } from './machine.ts'
import type { EdgeOptions } from './options.ts'
import { profileWorker } from './profile.ts'
import type { NamedProfile, Result } from './report.ts'
import { runRounds, type Section } from './rounds.ts'
import { startStage } from './stage.ts'
import type { Terms } from './table.ts'

const perThousand = { per: 1_000, digits: 0 }

const terms: Terms = {
  behind: 'behind',
  counts: [
    { name: 'upstashRequests', title: 'Upstash req/1000', ...perThousand },
    { name: 'upstashCommands', title: 'commands/1000', ...perThousand },
    { name: 'coreRequests', title: 'core req/1000', ...perThousand },
  ],
}

const explained = `CPU is that of the generator, of workerd with the Worker in one isolate, and of what is behind it: Upstash's stand-in, its Redis,
the core and Postgres. The fixed rate is half of what our Worker reached, for both contestants. Requests and commands are those
that a thousand reads cause. Our Worker writes its line a request to standard output, which the system throws away; the bare one
writes none. The Cache API is a Worker of ours in the same process, so what it costs is in the figures of workerd.`

/** Measures reads at the edge by the tier that answers, beside a Worker that does nothing, in the same workerd. */
export const runEdgeSuite = async (
  options: EdgeOptions,
  cleanup: Cleanup,
  report: (line: string) => void,
): Promise<Result> => {
  const stage = await startStage(cleanup, report)
  const edge = await startEdgeStage(stage, cleanup, report)
  const shared = await readShared(edge)
  const bare = await edge.startBare(JSON.stringify(shared))
  const sections: Section[] = []
  for (const scenario of options.scenarios)
    sections.push({
      scenario,
      contestants: isEvaluation(scenario)
        ? await evaluationContestants(edge, scenario)
        : await edgeContestants(edge, scenario, { bare, shared }),
      rateOf: contestants.perigee,
    })
  const machine = await readMachine(stage.serverUrl)
  const rows = await runRounds(sections, { ...options, report })
  const profile = options.profile
    ? await profileScenario(edge, profiledOf(options.scenarios), { shared, seconds: options.seconds })
    : undefined
  return {
    suite: options.suite,
    machine,
    secondsPerPhase: options.seconds,
    terms,
    explained,
    rows,
    verdicts: judgeEdge(rows),
    notes: [`Upstash's stand-in keeps its entries in ${edge.upstashKeptIn}.`],
    ...(profile ? { profile } : {}),
  }
}

const profiledConnections = 32
/** More than one thread of workerd answers in a second. */
const requestsPerSecondMax = 20_000

/** A hit in memory with a verified session, unless an evaluation is all that was measured. */
const profiledOf = (scenarios: readonly EdgeScenarioName[]): EdgeScenarioName => {
  const [first] = scenarios
  return first !== undefined && isEvaluation(first) ? first : 'memory-session'
}

/** A path once it is as warm as it gets. */
const profileScenario = async (
  stage: EdgeStage,
  scenario: EdgeScenarioName,
  { shared, seconds }: { readonly shared: SharedAnswer; readonly seconds: number },
): Promise<NamedProfile> => {
  const worker = await stage.startProfiled()
  const source = isEvaluation(scenario)
    ? evaluationsOf(stage, scenario)
    : readsOf(stage, edgeScenarios[scenario], shared)
  const load = async () => {
    const requests = await source.build(requestsPerSecondMax * seconds, seconds * 1_000)
    await runLoad({ address: worker.address, connections: profiledConnections, seconds, requests })
  }
  await load()
  return { scenario, ...(await profileWorker(worker, load)) }
}
