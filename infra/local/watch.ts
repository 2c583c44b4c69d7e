import { spawn } from 'node:child_process'
import type { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

let input: Writable | undefined

/**
 * One watchdog serves this process. It is detached, so that a Ctrl-C or a signal to our group does not end it with us.
 */
const watchdogInput = (): Writable => {
  if (input) return input
  const watchdog = spawn(process.execPath, [fileURLToPath(new URL('./watchdog.ts', import.meta.url))], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
  })
  // A watchdog that is gone takes the safety net with it, never the stack.
  watchdog.on('error', () => {})
  watchdog.stdin.on('error', () => {})
  watchdog.unref()
  if ('unref' in watchdog.stdin && typeof watchdog.stdin.unref === 'function') watchdog.stdin.unref()
  input = watchdog.stdin
  return input
}

/**
 * Has `target` ended when this process is gone, however it went: `signal` first, SIGKILL after a grace.
 * `target` is a pid, or minus the id of a process group.
 */
export const watch = (target: number, signal: NodeJS.Signals): void => {
  watchdogInput().write(`watch ${target} ${signal}\n`)
}

/** To be called when the target has exited, because the system may give its id to another process. */
export const forget = (target: number): void => {
  watchdogInput().write(`forget ${target}\n`)
}
