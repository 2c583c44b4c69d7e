import type { EvaluationScenarioName } from './edge-scenarios.ts'
import type { EdgeStage, ServedWorker } from './edge-stage.ts'
import { contestants } from './edge-targets.ts'
import { evaluatedContext, evaluatedKey } from './evaluated-flags.ts'
import { httpContestant, type RequestSource } from './http-contestant.ts'
import type { Contestant } from './measure.ts'
import { httpBytes } from './requests.ts'

const requestMaxMs = 5_000
const path = '/ofrep/v1/evaluate/flags'

const pathOf: Readonly<Record<EvaluationScenarioName, string>> = {
  'evaluate-flag': `${path}/${evaluatedKey}`,
  'evaluate-flags': path,
}

/** The same context each time: an evaluation remembers nothing of the one before. */
const body = JSON.stringify({ context: evaluatedContext })

const headersOf = (stage: EdgeStage) => ({
  accept: 'application/json',
  'content-type': 'application/json',
  'x-api-key': stage.publishableKey,
})

/** What the bare Worker repeats. @throws Error when the edge does not answer with an evaluation */
export const readEvaluation = async (stage: EdgeStage, name: EvaluationScenarioName): Promise<string> => {
  const url = (await stage.worker('main')).url + pathOf[name]
  const signal = AbortSignal.timeout(requestMaxMs)
  const response = await fetch(url, { method: 'POST', headers: headersOf(stage), body, signal })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${url} was answered with ${response.status}: ${text}`)
  const kept = ['content-type', 'cache-control', 'etag', 'perigee-flags']
  const headers = kept.flatMap((header) => {
    const value = response.headers.get(header)
    return value === null ? [] : [[header, value]]
  })
  return JSON.stringify({ body: text, headers: Object.fromEntries(headers) })
}

/** The request of a scenario, again and again. */
export const evaluationsOf = (stage: EdgeStage, name: EvaluationScenarioName): RequestSource => {
  const request = httpBytes({ method: 'POST', path: pathOf[name], headers: headersOf(stage), body: Buffer.from(body) })
  return { build: (count) => Array.from({ length: count }, () => request) }
}

/** Our Worker, and one that reads the same body and does not look at it. */
export const evaluationContestants = async (stage: EdgeStage, name: EvaluationScenarioName): Promise<Contestant[]> => {
  const ours = await stage.worker('main')
  const bare = await stage.startBare(await readEvaluation(stage, name))
  const contestant = (title: string, { address, pid }: ServedWorker) =>
    httpContestant({
      name: title,
      address,
      source: evaluationsOf(stage, name),
      processes: { server: pid, behind: stage.behindPids },
      counters: stage.counters,
      status: 200,
    })
  return [contestant(contestants.perigee, ours), contestant(contestants.bare, bare)]
}
