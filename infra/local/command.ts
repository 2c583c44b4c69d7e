import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import type { Account } from './process.ts'
import { forget, watch } from './watch.ts'

export type CommandOptions = {
  /** What people call it, in errors. */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly folder?: string
  readonly account?: Account
  /** Written to its standard input. */
  readonly input?: string
  /** Takes all that it printed; absent, only an error shows it. */
  readonly logFile?: string
  /** It is killed after this. */
  readonly maxMs: number
}

/** Enough for a compiler's message and the stack below it. */
const printedLinesMax = 30
/** More than any of our commands prints; passing it is an error. */
const outputBytesMax = 4 * 1024 * 1024

/**
 * Runs a program to its end and answers with its standard output.
 * @throws Error with what it printed last, when it exits with another code than 0 or does not end in time
 */
export const runCommand = (options: CommandOptions): Promise<string> =>
  new Promise((resolve, reject) => {
    const { name, command, args, maxMs, logFile } = options
    const running = execFile(
      command,
      [...args],
      {
        timeout: maxMs,
        killSignal: 'SIGKILL',
        maxBuffer: outputBytesMax,
        env: options.env ?? process.env,
        ...(options.folder === undefined ? {} : { cwd: options.folder }),
        ...(options.account ?? {}),
      },
      (error, stdout, stderr) => {
        if (running.pid !== undefined) forget(running.pid)
        if (logFile !== undefined) writeFileSync(logFile, stdout + stderr, { mode: 0o600 })
        if (error === null) return resolve(stdout)
        const why = error.killed ? `did not end within ${maxMs / 1_000} s` : `failed (${error.code ?? error.message})`
        const printed = (stderr.trim() || stdout.trim()).split('\n').slice(-printedLinesMax).join('\n  ')
        reject(new Error(`${name} ${why}${printed === '' ? '' : `:\n  ${printed}`}`, { cause: error }))
      },
    )
    if (running.pid !== undefined) watch(running.pid, 'SIGTERM')
    // A program that ends without reading its input is judged by its exit code.
    running.stdin?.on('error', () => {})
    running.stdin?.end(options.input ?? '')
  })
