import { type EdgeScenario, edgeScenarios, type ReadScenarioName } from './edge-scenarios.ts'
import { inParallel } from './edge-sessions.ts'
import type { EdgeStage, ServedWorker } from './edge-stage.ts'
import { contestants } from './edge-targets.ts'
import { httpContestant, type RequestSource } from './http-contestant.ts'
import type { Contestant } from './measure.ts'
import { playerIdOf } from './prefill.ts'
import { httpBytes } from './requests.ts'

/** How long a tier may take until it has what it was given behind a response. */
const filledMaxMs = 3_000
const pollMs = 50
const readsAtOnce = 32
const requestMaxMs = 5_000

/** The answer to the read that everyone shares, as the bare Worker repeats it. */
export type SharedAnswer = { readonly body: string; readonly headers: Readonly<Record<string, string>> }

const pathOf = (index: number) => `/v1/players/${playerIdOf(index + 1)}`

/** @throws Error when the edge does not answer with a profile */
export const readShared = async (stage: EdgeStage): Promise<SharedAnswer> => {
  const [token = ''] = await stage.sessions.tokens(1)
  const response = await get((await stage.worker('main')).url + pathOf(0), headersOf(token))
  const kept = ['content-type', 'cache-control', 'etag'].map((name) => [name, response.headers.get(name) ?? ''])
  return { body: await response.text(), headers: Object.fromEntries(kept) }
}

/** Our Worker and the bare one under the same requests, byte for byte. */
export const edgeContestants = async (
  stage: EdgeStage,
  name: ReadScenarioName,
  { bare, shared }: { readonly bare: ServedWorker; readonly shared: SharedAnswer },
): Promise<Contestant[]> => {
  const scenario = edgeScenarios[name]
  const ours = await stage.worker(scenario.worker)
  const status = scenario.conditional ? { status: 304 } : { status: 200 }
  const contestant = (title: string, { address, pid }: ServedWorker) =>
    httpContestant({
      name: title,
      address,
      source: readsOf(stage, scenario, shared),
      processes: { server: pid, behind: stage.behindPids },
      counters: stage.counters,
      ...status,
    })
  const perigee = contestant(contestants.perigee, ours)
  const prepare = preparer(stage, name, ours.url)
  return [
    {
      name: perigee.name,
      measure: async (phase) => {
        await prepare()
        return perigee.measure(phase)
      },
    },
    contestant(contestants.bare, bare),
  ]
}

const headersOf = (token: string | undefined): Record<string, string> => ({
  accept: 'application/json',
  ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
})

/** The requests of a scenario. */
export const readsOf = (stage: EdgeStage, scenario: EdgeScenario, shared: SharedAnswer): RequestSource => {
  const { players, sessions, conditional } = scenario
  const known = conditional ? { 'if-none-match': shared.headers.etag ?? '' } : {}
  let position = 0
  return {
    build: async (count) => {
      const tokens = await stage.sessions.tokens(sessions)
      const distinct = Array.from({ length: Math.max(players, sessions) }, (_, index) =>
        httpBytes({
          method: 'GET',
          path: pathOf(index % players),
          headers: { ...headersOf(tokens[index % sessions]), ...known },
          body: Buffer.alloc(0),
        }),
      )
      return Array.from({ length: count }, (_, index) => {
        const request = distinct[(position + index) % distinct.length]
        if (!request) throw new Error('there is nothing to read')
        return request
      })
    },
    sent: (count) => {
      position += count
    },
  }
}

/** Has the tier filled that is to answer. @throws Error when another one answers all the same */
const preparer = (stage: EdgeStage, name: ReadScenarioName, url: string): (() => Promise<void>) => {
  const { tier, players, sessions } = edgeScenarios[name]
  let filled = false
  return async () => {
    const [token] = await stage.sessions.tokens(sessions)
    // A public read cannot fill: the core gives profiles to players. The Worker that is deployed does.
    await readShared(stage)
    if (!filled && tier !== 'core')
      await inParallel(players, readsAtOnce, async (index) => (await get(url + pathOf(index), headersOf(token))).text())
    filled = true
    const lastMs = Date.now() + filledMaxMs
    for (;;) {
      const response = await get(url + pathOf(0), headersOf(token))
      await response.text()
      const cacheStatus = response.headers.get('cache-status') ?? ''
      if (/detail=([\w-]+)/.exec(cacheStatus)?.[1] === tier) return
      if (Date.now() > lastMs)
        throw new Error(`${name} is to be answered by ${tier}, but it was: Cache-Status: ${cacheStatus || 'none'}`)
      await new Promise((resolve) => setTimeout(resolve, pollMs))
    }
  }
}

/** @throws Error when the answer is another one than 200 */
const get = async (url: string, headers: Readonly<Record<string, string>>): Promise<Response> => {
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(requestMaxMs) })
  if (response.status !== 200) throw new Error(`${url} was answered with ${response.status}: ${await response.text()}`)
  return response
}
