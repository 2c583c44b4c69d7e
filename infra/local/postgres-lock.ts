import { readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { portAnswers } from './ports.ts'
import { isAlive } from './process.ts'

/** What a running Postgres says of itself. */
export type Lock = { readonly pid: number; readonly port: number; readonly ready: boolean }

/**
 * The `postmaster.pid` in a data folder; undefined where there is none. By the lines that pg_ctl reads too: pid, folder,
 * start, port, socket, address, memory, state.
 */
export const readLock = (data: string): Lock | undefined => {
  try {
    const lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')
    return { pid: Number(lines[0]), port: Number(lines[3]), ready: lines[7]?.trim() === 'ready' }
  } catch {
    return undefined
  }
}

/**
 * Postgres ignores the lock of a dead process, after making sure that none of its children is left. But a live process
 * may have been given the same pid since, and then Postgres would refuse to start for ever.
 * @throws Error when a Postgres runs on this data
 */
export const removeStaleLock = async (data: string): Promise<void> => {
  const lock = readLock(data)
  if (!lock || !isAlive(lock.pid)) return
  if (await portAnswers(lock.port)) {
    const where = `process ${lock.pid}, port ${lock.port}`
    throw new Error(`A Postgres already runs on ${dirname(data)} (${where}); stop it first.`)
  }
  rmSync(join(data, 'postmaster.pid'), { force: true })
}
