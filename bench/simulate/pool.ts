import { Worker } from 'node:worker_threads'
import type { Scenario } from './scenario.ts'
import { secondsOf } from './scenario.ts'
import type { Measured } from './window.ts'
import { simulate } from './window.ts'

/** What a thread is given, and what it says while and after it simulates. */
export type Order = { readonly index: number; readonly scenario: Scenario }
export type Message =
  | { readonly kind: 'progress'; readonly index: number; readonly seconds: number }
  | { readonly kind: 'result'; readonly index: number; readonly measured: readonly Measured[] }
  | { readonly kind: 'failure'; readonly index: number; readonly text: string }

/** Simulated seconds that are done, over all scenarios, from 0 to 1. */
export type OnProgress = (share: number) => void

/**
 * Simulates scenarios, as many at a time as `threads`; 0: one after the other in this thread. The outcomes are in the order of the
 * scenarios and the same for any number of threads. Rejects with the first failure, when no thread is left running.
 */
export const simulateAll = async (
  scenarios: readonly Scenario[],
  threads: number,
  onProgress: OnProgress = () => {},
): Promise<readonly (readonly Measured[])[]> => {
  const passed = scenarios.map(() => 0)
  const total = scenarios.reduce((sum, scenario) => sum + costOf(scenario), 0)
  const onSeconds = (index: number, seconds: number) => {
    const scenario = scenarios[index]
    if (scenario) passed[index] = (costOf(scenario) * seconds) / secondsOf(scenario)
    onProgress(passed.reduce((sum, cost) => sum + cost, 0) / total)
  }
  if (threads > 0) return simulateApart(scenarios, threads, onSeconds)
  const results: (readonly Measured[])[] = []
  for (const [index, scenario] of scenarios.entries())
    results.push(await simulate(scenario, ({ seconds }) => onSeconds(index, seconds)))
  return results
}

/** About how long a scenario takes, in no unit: seconds with few players pass more quickly. */
const costOf = (scenario: Scenario): number => {
  const [first] = scenario.segments
  return secondsOf(scenario) * (1 + (first?.readsPerSecond ?? 0) / scenario.keepOneIn)
}

const simulateApart = async (
  scenarios: readonly Scenario[],
  threads: number,
  onSeconds: (index: number, seconds: number) => void,
): Promise<readonly (readonly Measured[])[]> => {
  const results: (readonly Measured[])[] = scenarios.map(() => [])
  // The longest first, so that no thread is left alone with one at the end.
  const waiting = scenarios
    .map((scenario, index): Order => ({ index, scenario }))
    .sort((a, b) => costOf(b.scenario) - costOf(a.scenario))
  const workers: Worker[] = []
  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL('./thread.ts', import.meta.url))
      workers.push(worker)
      const next = () => {
        const order = waiting.shift()
        if (order) worker.postMessage(order)
        else resolve()
      }
      worker.on('message', (message: Message) => {
        if (message.kind === 'progress') return onSeconds(message.index, message.seconds)
        if (message.kind === 'failure') return reject(new Error(message.text))
        results[message.index] = message.measured
        next()
      })
      worker.on('error', reject)
      next()
    })
  try {
    await Promise.all(Array.from({ length: Math.min(threads, scenarios.length) }, work))
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
  return results
}
