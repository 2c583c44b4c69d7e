import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findExecutable, isExecutable } from '#infra/local/executable.ts'
import { startChild, tail } from '#infra/local/process.ts'
import type { Load } from './load.ts'

export type PgbenchOptions = {
  readonly binary: string
  readonly databaseUrl: string
  readonly script: string
  readonly connections: number
  /** The window; what comes before it is told by `warmSeconds`. */
  readonly seconds: number
  readonly warmSeconds: number
  /** Transactions a second; absent: a closed loop. */
  readonly rate?: number
  /** For its files; emptied. */
  readonly folder: string
  /** Called at the start and the end of the window, with the pid of pgbench. */
  readonly onEdge: (edge: 'start' | 'end', pid: number) => void
}

/** Where Debian puts it, in a folder by version. */
const debianFolder = '/usr/lib/postgresql'
/** Goes on for so long after the window, so that the window ends under load. */
const tailSeconds = 1
/** Time to connect and to finish, beside what it was told to run. */
const extraMaxMs = 20_000
/** More threads than the machine here has cores only wait for each other. */
const threadsMax = 2

/** pgbench on PATH, or the newest that Debian's packages have installed; undefined where there is none. */
export const findPgbench = (): string | undefined => findExecutable('pgbench') ?? debianPgbenches().find(isExecutable)

const debianPgbenches = (): readonly string[] => {
  try {
    const versions = readdirSync(debianFolder).toSorted((a, b) => Number(b) - Number(a))
    return versions.map((version) => join(debianFolder, version, 'bin', 'pgbench'))
  } catch {
    return []
  }
}

/** Runs a script for a while, each statement prepared. @throws Error in pgbench's words when it fails */
export const runPgbench = async (options: PgbenchOptions): Promise<Load> => {
  const { seconds, warmSeconds, folder, onEdge } = options
  const durationSeconds = Math.ceil(warmSeconds + seconds + tailSeconds)
  const child = await start(options, durationSeconds)
  const overdue = setTimeout(child.kill, durationSeconds * 1_000 + extraMaxMs)
  try {
    await pause(warmSeconds * 1_000)
    const startedAt = Date.now()
    onEdge('start', child.pid)
    await pause(seconds * 1_000)
    const endedAt = Date.now()
    onEdge('end', child.pid)
    const { code } = await child.exited
    if (code !== 0) throw new Error(`pgbench failed${tail(child.logFile)}`)
    return { ...readLogs(folder, { startedAt, endedAt }), seconds: (endedAt - startedAt) / 1_000 }
  } finally {
    clearTimeout(overdue)
    await child.stop()
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const logPrefix = 'transactions'

const start = async (options: PgbenchOptions, durationSeconds: number) => {
  const { binary, connections, rate, folder } = options
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const script = join(folder, 'script.sql')
  writeFileSync(script, options.script)
  const url = new URL(options.databaseUrl)
  const args = {
    '--host': url.hostname,
    '--port': url.port,
    '--username': url.username,
    '--protocol': 'prepared',
    '--client': String(connections),
    '--jobs': String(Math.min(connections, threadsMax)),
    '--time': String(durationSeconds),
    '--file': script,
    '--log-prefix': join(folder, logPrefix),
    ...(rate === undefined ? {} : { '--rate': String(rate) }),
  }
  return startChild({
    name: 'pgbench',
    command: binary,
    args: ['--no-vacuum', '--log', ...Object.entries(args).flat(), url.pathname.slice(1)],
    env: { PATH: process.env.PATH, PGPASSWORD: url.password },
    folder,
    logFile: join(folder, 'output'),
  })
}

/**
 * One line a transaction: client, number, latency in us (or `failed`), script, when it ended (s and us since 1970), and at a
 * rate how late it began, in us. At a rate the latency counts from when it was due.
 * @see https://www.postgresql.org/docs/current/pgbench.html "Per-Transaction Logging"
 */
const readLogs = (folder: string, window: { startedAt: number; endedAt: number }): Omit<Load, 'seconds'> => {
  const latenciesMs: number[] = []
  const lateMs: number[] = []
  let sent = 0
  let failed = 0
  const logs = readdirSync(folder).filter((name) => name.startsWith(logPrefix))
  for (const line of logs.flatMap((name) => readFileSync(join(folder, name), 'latin1').split('\n'))) {
    const [, , latency, , seconds, microseconds, late] = line.split(' ')
    if (latency === undefined || seconds === undefined) continue
    if (latency === 'failed') failed++
    else sent++
    const endedAt = Number(seconds) * 1_000 + Number(microseconds) / 1_000
    if (latency === 'failed' || endedAt < window.startedAt || endedAt > window.endedAt) continue
    latenciesMs.push(Number(latency) / 1_000)
    if (late !== undefined) lateMs.push(Number(late) / 1_000)
  }
  return { sent, answered: latenciesMs.length, latenciesMs, lateMs, errors: failed === 0 ? {} : { failed } }
}
