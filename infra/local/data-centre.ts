import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unstable_readConfig } from 'wrangler'
import { dataCentreConfig, type RateLimit } from './data-centre-config.ts'
import { checkout } from './local-folder.ts'
import { freePort } from './ports.ts'
import { type Exit, startChild, untilReady } from './process.ts'

export type DataCentreOptions = {
  /** What `bundleEdge` wrote. */
  readonly bundleFolder: string
  /** The module in it that is the Worker, complete in one file; `main.js` where it is absent. */
  readonly main?: string
  /** 1 to 32. */
  readonly isolates: number
  /** The Worker's variables and secrets, over those of `wrangler.toml`. */
  readonly vars: Readonly<Record<string, string>>
  /** Requests in ten seconds that each caller has of each isolate, of whatever kind, instead of what is deployed. */
  readonly callerLimit?: number
  /** False: the Cache API is there and never holds anything. */
  readonly cache?: boolean
  /** Where workerd's inspector listens, `host:port`; absent: nowhere. */
  readonly inspector?: string
}

/** What isolates asked of their common cache. */
export type CacheCounts = {
  readonly hits: number
  readonly misses: number
  readonly puts: number
  /** What it holds now. */
  readonly entries: number
  readonly bytes: number
}

/** Isolates of one Worker as in one data centre of Cloudflare: memories of their own, one Cache API. */
export type DataCentre = {
  /** Of each isolate, its own. */
  readonly urls: readonly string[]
  /** The one process that carries all of them, and the cache. */
  readonly pid: number
  /** Resolves when it has exited, `stop` or not. */
  readonly exited: Promise<Exit>
  /** @throws Error when the process is gone */
  cacheCounts(): Promise<CacheCounts>
  stop(): Promise<void>
}

/** One thread carries them all: more would only take turns. */
const isolatesMax = 32
const cacheBytesMax = 64 * 1024 * 1024
/** It compiles the Worker once for each isolate, some 20 ms; the rest is for a machine that does other things too. */
const readyMaxMs = 30_000

/**
 * Runs isolates of a Worker in one workerd, without Miniflare or wrangler before them, so that a load meets the Worker
 * alone. Bindings are those of `wrangler.toml`, but no assets: each is answered 404.
 * @param print takes what the Workers write with `console.log`, a line a call; `ignore` where nobody reads it, and workerd
 * writes it all the same
 * @throws Error with what workerd printed, when it does not start: a bad bundle, a taken port
 */
export const startDataCentre = async (
  options: DataCentreOptions,
  print: ((line: string) => void) | 'ignore',
): Promise<DataCentre> => {
  const { bundleFolder, main = 'main.js', isolates, cache = true, inspector } = options
  if (!Number.isInteger(isolates) || isolates < 1 || isolates > isolatesMax)
    throw new Error(`a data centre has 1 to ${isolatesMax} isolates, not ${isolates}`)
  const [countsPort = 0, ...ports] = await freePorts(isolates + 1)
  const folder = mkdtempSync(join(tmpdir(), 'perigee-data-centre-'))
  const forgetFolder = () => rmSync(folder, { recursive: true, force: true })
  try {
    copyFileSync(join(bundleFolder, main), join(folder, 'worker.js'))
    const config = dataCentreConfig({
      ...deployedSettings(options),
      mainFile: 'worker.js',
      ports,
      countsPort,
      cacheBytesMax: cache ? cacheBytesMax : 0,
    })
    // It holds the Worker's secrets.
    writeFileSync(join(folder, 'config.capnp'), config, { mode: 0o600 })
    const child = await startChild({
      name: 'workerd',
      command: workerdBinary(),
      args: ['serve', ...(inspector === undefined ? [] : [`--inspector-addr=${inspector}`]), 'config.capnp'],
      folder,
      logFile: join(folder, 'workerd.log'),
      output: print,
    })
    const cacheCounts = async () => (await (await fetch(`http://127.0.0.1:${countsPort}`)).json()) as CacheCounts
    // It accepts connections before it has read its Workers, and answers requests only once all of them are sound.
    await untilReady(child, readyMaxMs, () => cacheCounts().then(() => true))
    const exited = child.exited.finally(forgetFolder)
    return {
      urls: ports.map((port) => `http://127.0.0.1:${port}`),
      pid: child.pid,
      exited,
      cacheCounts,
      stop: async () => {
        await child.stop()
        await exited
      },
    }
  } catch (error) {
    forgetFolder()
    throw error
  }
}

/** No port is held until workerd listens, so one could be told twice. */
const freePorts = async (count: number): Promise<number[]> => {
  const ports = new Set<number>()
  while (ports.size < count) ports.add(await freePort())
  return [...ports]
}

/** wrangler's type leaves open what is in its list. */
type DeployedLimit = { readonly name: string; readonly simple: { readonly limit: number; readonly period: number } }

/** What `wrangler.toml` says of each isolate, but for what the options say. */
const deployedSettings = ({ callerLimit, vars }: DataCentreOptions) => {
  const config = unstable_readConfig({ config: join(checkout, 'wrangler.toml') }, { hideWarnings: true })
  const { compatibility_date: compatibilityDate, compatibility_flags: compatibilityFlags } = config
  if (compatibilityDate === undefined) throw new Error('wrangler.toml has no compatibility_date')
  const rateLimits = config.ratelimits.map(
    ({ name, simple: { limit, period } }: DeployedLimit): RateLimit => ({
      name,
      limit: callerLimit ?? limit,
      periodSeconds: period,
    }),
  )
  const deployedVars = Object.entries(config.vars).map(([name, value]) => [name, String(value)])
  return { compatibilityDate, compatibilityFlags, rateLimits, vars: { ...Object.fromEntries(deployedVars), ...vars } }
}

/** The very file that Miniflare would start. Its package is a dependency of Miniflare, which need not lie beside us. */
const workerdBinary = (): string => {
  const require = createRequire(createRequire(import.meta.url).resolve('miniflare'))
  const { default: path } = require('workerd') as { default: string }
  return path
}
