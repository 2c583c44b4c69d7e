import type { ChildProcess } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { join } from 'node:path'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare'
import { unstable_getMiniflareWorkerOptions } from 'wrangler'
import { describeExit, type Exit } from './process.ts'
import { forget, watch } from './watch.ts'

export type EdgeOptions = {
  /** What `bundleEdge` wrote: it holds `main.js`. */
  readonly bundleFolder: string
  /** The path of `wrangler.toml`: bindings, assets and compatibility date come from there. */
  readonly configPath: string
  readonly port: number
  /** The Worker's variables and secrets, over those of `wrangler.toml`. */
  readonly vars: Readonly<Record<string, string>>
}

export type Edge = {
  readonly url: string
  /** The pid of workerd, which is what costs CPU. */
  readonly pid: number
  /** Resolves when workerd has exited, `stop` or not. */
  readonly exited: Promise<Exit>
  stop(): Promise<void>
}

/**
 * Runs the Worker in workerd on 127.0.0.1, through Miniflare, which logs no requests.
 * @param print takes what the Worker writes with `console`, a line a call
 * @throws Error when workerd does not start; a taken port is one reason
 */
export const startEdge = async (options: EdgeOptions, print: (line: string) => void): Promise<Edge> => {
  const { bundleFolder, configPath, port, vars } = options
  const workerOptions = readWorkerOptions(configPath)
  const miniflareOptions = convertV4MiniflareOptions({
    ...workerOptions,
    modules: [{ type: 'ESModule', path: join(bundleFolder, 'main.js') }],
    modulesRoot: bundleFolder,
    bindings: { ...workerOptions.bindings, ...vars },
    host: '127.0.0.1',
    port,
    // Otherwise it asks the network where this machine is. Whoever does not say where they call from calls from Europe.
    cf: { continent: 'EU' },
    logRequests: false,
    log: new Log(LogLevel.ERROR),
    handleStructuredLogs: ({ message }) => print(message),
  })
  const { workerd, miniflare } = await withWorkerd(async () => {
    const starting = new Miniflare(miniflareOptions)
    await starting.ready.catch(async (error: unknown) => {
      await starting.dispose().catch(() => {})
      throw error
    })
    return starting
  }, port)
  const pid = workerd.pid ?? 0
  watch(pid, 'SIGKILL')
  const exited = new Promise<Exit>((resolve) => {
    workerd.once('exit', (code, signal) => {
      forget(pid)
      resolve({ code, signal })
    })
  })
  return { url: `http://127.0.0.1:${port}`, pid, exited, stop: () => miniflare.dispose() }
}

/**
 * wrangler's own reading of its configuration, in the form that Miniflare takes. Its type says less than it gives: Omit
 * over a union and an open type loses the members. What is relied on here is that `bindings` holds the `[vars]` by
 * name.
 */
const readWorkerOptions = (configPath: string) =>
  unstable_getMiniflareWorkerOptions(configPath).workerOptions as {
    readonly bindings?: Readonly<Record<string, string>>
  }

/** Miniflare keeps its child to itself; Node tells of every process that is made while `start` runs. */
const withWorkerd = async (start: () => Promise<Miniflare>, port: number) => {
  const made: ChildProcess[] = []
  const note = (message: unknown) => made.push((message as { process: ChildProcess }).process)
  subscribe('child_process', note)
  const miniflare = await start().finally(() => unsubscribe('child_process', note))
  const workerd = made.find((child) => child.spawnargs.some((arg) => arg.endsWith(`=127.0.0.1:${port}`)))
  if (!workerd) throw new Error(`Miniflare started no workerd for port ${port}`)
  return { workerd, miniflare }
}

/** How soon it is noticed that our parent is gone. */
const parentPollMs = 500

/**
 * `node infra/local/edge.ts '<EdgeOptions as JSON>'`: runs until it is told to stop or its parent is gone (exit code
 * 0), or until workerd has died (1).
 */
const main = async (): Promise<void> => {
  const options = JSON.parse(process.argv[2] ?? '') as EdgeOptions
  const parent = process.ppid
  const edge = await startEdge(options, (line) => console.log(line))
  console.log(`Worker on ${edge.url}, workerd is process ${edge.pid}`)
  let stopping = false
  const stop = async () => {
    if (stopping) return
    stopping = true
    await edge.stop()
    process.exit(0)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // Miniflare's own handler would end this process before workerd has gone.
    process.removeAllListeners(signal)
    process.on(signal, () => void stop())
  }
  setInterval(() => process.ppid !== parent && void stop(), parentPollMs)
  const exit = await edge.exited
  if (stopping) return
  stopping = true
  console.error(`workerd ${describeExit(exit)}`)
  // Miniflare starts another one by itself; nobody would know that its caches and counters are empty.
  await edge.stop()
  process.exit(1)
}

if (import.meta.main) await main()
