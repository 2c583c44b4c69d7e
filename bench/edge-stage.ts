import { readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { type DataCentreOptions, startDataCentre } from '#infra/local/data-centre.ts'
import { bundleEdge } from '#infra/local/edge-bundle.ts'
import { checkout } from '#infra/local/local-folder.ts'
import { freePort } from '#infra/local/ports.ts'
import type { Cleanup } from './cleanup.ts'
import type { Address } from './connection.ts'
import { createEdgeCounters } from './edge-counters.ts'
import type { EdgeWorker } from './edge-scenarios.ts'
import { createSessions, type Sessions } from './edge-sessions.ts'
import { publishEvaluated } from './evaluated-flags.ts'
import type { Counters } from './measure.ts'
import type { Stage } from './stage.ts'
import { startUpstashProcess } from './upstash.ts'

/** A Worker alone in a workerd of its own. */
export type ServedWorker = { readonly url: string; readonly address: Address; readonly pid: number }

/** @see profileWorker */
export type ProfiledWorker = ServedWorker & {
  readonly inspector: string
  readonly target: string
  /** With sources as paths in this checkout. */
  readonly sourceMap: string
}

/** A core, Upstash's stand-in, and what starts Workers in front of them. */
export type EdgeStage = {
  /** Started when it is first asked for. */
  worker(name: EdgeWorker): Promise<ServedWorker>
  /** The Worker as it is deployed, in another workerd with an inspector. */
  startProfiled(): Promise<ProfiledWorker>
  /** A Worker that gives one answer, `body` and `headers` as JSON, to every read of a profile and every evaluation. */
  startBare(answer: string): Promise<ServedWorker>
  readonly sessions: Sessions
  readonly publishableKey: string
  readonly counters: Counters
  /** What a Worker asks. */
  readonly behindPids: readonly number[]
  /** Where Upstash's stand-in keeps what it is given. */
  readonly upstashKeptIn: string
}

/** No load may be refused: what is measured is the path, and not how soon it ends. */
const callerLimit = 1_000_000_000

export const startEdgeStage = async (
  stage: Stage,
  cleanup: Cleanup,
  report: (step: string) => void,
): Promise<EdgeStage> => {
  const { folder, credentials, edge } = stage
  report("flags are published; Upstash's stand-in and the core start")
  await publishEvaluated(stage.databaseUrl)
  const upstash = await startUpstashProcess(folder, cleanup)
  // It gets no Upstash: whatever is counted there, an edge has asked.
  const core = await stage.startCore('core', {})
  const vars = {
    CELLS: JSON.stringify({ [credentials.cell]: { coreUrl: `http://127.0.0.1:${core.address.port}`, near: [] } }),
    CONTROL_CELL: credentials.cell,
    ISSUER: edge.issuer,
    UPSTASH_URL: upstash.url,
    UPSTASH_TOKEN: upstash.token,
    EDGE_KEYS: edge.edgeKeys,
  }

  const bundle = once(async (name: string) => {
    report(`the Worker ${name} is bundled`)
    const bundleFolder = join(folder, `bundle-${name}`)
    const entry = name === 'main' ? {} : { entry: `bench/workers/${name}.ts` }
    await bundleEdge({ project: checkout, folder: bundleFolder, ...entry })
    return { bundleFolder, main: `${name}.js` }
  })
  const start = async (bundleName: string, options: Partial<DataCentreOptions> = {}): Promise<ServedWorker> => {
    const all = { ...(await bundle(bundleName)), ...options, isolates: 1, callerLimit }
    // It writes its line a request, as in production, to where the system throws it away.
    const { urls, pid, stop } = await startDataCentre({ ...all, vars: { ...vars, ...options.vars } }, 'ignore')
    cleanup.add(stop)
    const [url = ''] = urls
    return { url, address: { host: '127.0.0.1', port: Number(new URL(url).port) }, pid }
  }
  const startProfiled = async (): Promise<ProfiledWorker> => {
    const inspector = `127.0.0.1:${await freePort()}`
    const { bundleFolder, main } = await bundle('main')
    const map = JSON.parse(readFileSync(join(bundleFolder, `${main}.map`), 'utf8')) as { sources: readonly string[] }
    const sources = map.sources.map((source) => relative(checkout, resolve(bundleFolder, source)))
    const sourceMap = JSON.stringify({ ...map, sources })
    return { ...(await start('main', { inspector })), inspector, target: 'isolate-0', sourceMap }
  }
  const worker = once((name: EdgeWorker) =>
    name === 'main' ? start(name) : start('one-tier', { vars: { TIER: name } }),
  )
  const main = await worker('main')
  return {
    worker,
    startProfiled,
    startBare: (answer) => start('bare', { vars: { ANSWER: answer } }),
    sessions: createSessions(main.url, edge.publishableKey),
    publishableKey: edge.publishableKey,
    counters: createEdgeCounters(upstash, core.logFile),
    behindPids: [...upstash.pids, core.pid, stage.postgresPid],
    upstashKeptIn: upstash.keptIn,
  }
}

/** Makes each thing when it is first asked for by its name. */
const once = <Name extends string, Thing>(make: (name: Name) => Promise<Thing>): ((name: Name) => Promise<Thing>) => {
  const made = new Map<Name, Promise<Thing>>()
  return (name) => {
    const known = made.get(name) ?? make(name)
    made.set(name, known)
    return known
  }
}
