import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { forget, watch } from './watch.ts'

export type Account = { readonly uid: number; readonly gid: number }

export type ChildOptions = {
  /** What people call it, in errors and reports. */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  /** The whole environment; this process's own where it is absent. */
  readonly env?: NodeJS.ProcessEnv
  readonly folder?: string
  /** Takes standard output and standard error; emptied at the start. */
  readonly logFile: string
  /** Takes standard output instead of the log, line by line; `ignore` lets nobody see it, at no cost to this process. */
  readonly output?: ((line: string) => void) | 'ignore'
  /** Whom to run as; only root can say. */
  readonly account?: Account
  /** The signal that asks for an orderly end; SIGTERM where it is absent. */
  readonly stopSignal?: NodeJS.Signals
}

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null }

export type Child = {
  readonly name: string
  readonly pid: number
  readonly logFile: string
  /** Resolves at the exit, whoever caused it; never rejects. */
  readonly exited: Promise<Exit>
  /** Asks for an orderly end, and after `stopMaxMs` kills. Resolves when the process is gone; may be called twice. */
  stop(): Promise<void>
  /** Ends the process and its group at once. */
  kill(): void
}

/** Above what any part needs to drain (the core: 8 s), below what a person waits after Ctrl-C. */
const stopMaxMs = 10_000
const pollMs = 25

/**
 * Starts a program in a process group of its own: a Ctrl-C in the terminal reaches only us, who stop in order, and what
 * the program has started ends with it. A watchdog ends it where this process is killed outright.
 * @throws Error where the program cannot be started at all
 */
export const startChild = async (options: ChildOptions): Promise<Child> => {
  const { name, command, args, logFile, output, account, stopSignal = 'SIGTERM' } = options
  mkdirSync(dirname(logFile), { recursive: true })
  const log = openSync(logFile, 'w', 0o600)
  const started = spawn(command, args, {
    detached: true,
    stdio: ['ignore', output === undefined ? log : output === 'ignore' ? 'ignore' : 'pipe', log],
    env: options.env ?? process.env,
    ...(options.folder === undefined ? {} : { cwd: options.folder }),
    ...(account ?? {}),
  })
  closeSync(log)
  if (typeof output === 'function' && started.stdout) createInterface(started.stdout).on('line', output)
  const exited = new Promise<Exit>((resolve) => {
    started.once('exit', (code, signal) => resolve({ code, signal }))
  })
  const pid = await new Promise<number>((resolve, reject) => {
    started.once('error', (cause) => reject(new Error(`${name} could not be started: ${cause.message}`, { cause })))
    started.once('spawn', () => resolve(started.pid ?? 0))
  })
  watch(-pid, stopSignal)
  const kill = () => signalQuietly(-pid, 'SIGKILL')
  const gone = exited.then((exit) => {
    kill()
    forget(-pid)
    return exit
  })
  return {
    name,
    pid,
    logFile,
    exited: gone,
    kill,
    stop: async () => {
      signalQuietly(pid, stopSignal)
      const timer = setTimeout(kill, stopMaxMs)
      await gone
      clearTimeout(timer)
    },
  }
}

const signalQuietly = (target: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(target, signal)
  } catch {
    // It is gone already, which is what was wanted.
  }
}

/**
 * Asks `probe` until it says yes. A probe that throws has said no.
 * @throws Error with the end of the child's log, when it exits first or `readyMaxMs` pass; the child is then stopped
 */
export const untilReady = async (child: Child, readyMaxMs: number, probe: () => Promise<boolean>): Promise<void> => {
  let exit: Exit | undefined
  child.exited.then((value) => {
    exit = value
  })
  const lastMs = Date.now() + readyMaxMs
  while (!(await probe().catch(() => false))) {
    if (exit) throw new Error(`${child.name} ${describeExit(exit)} before it was ready${tail(child.logFile)}`)
    if (Date.now() > lastMs) {
      await child.stop()
      throw new Error(`${child.name} was not ready within ${readyMaxMs / 1_000} s${tail(child.logFile)}`)
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}

/** Whether a process has this pid now, be it another user's. */
export const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** `exited with code 1`, `was ended by SIGKILL`. */
export const describeExit = ({ code, signal }: Exit): string =>
  signal === null ? `exited with code ${code}` : `was ended by ${signal}`

/**
 * The end of a log, indented and headed by the file's name, to be put behind a sentence; says so where there is
 * nothing.
 */
export const tail = (logFile: string, linesMax = 15): string => {
  const lines = readQuietly(logFile).trimEnd().split('\n').slice(-linesMax)
  return lines.join('') === '' ? ` (${logFile} is empty)` : `; the end of ${logFile}:\n  ${lines.join('\n  ')}`
}

const readQuietly = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
