import { randomUUID } from 'node:crypto'
import type { Cell, PlayerId } from '#contract/ids.ts'
import type { Db } from '#db/client.ts'
import { listCredentials } from '#db/credentials.ts'
import { finishErasure, listDue, listUnreleased, lockDue } from '#db/erase.ts'
import type { Log } from '#infra/log.ts'
import type { Directory } from './directory.ts'
import { erase } from './erase.ts'
import { createLoop, type Loop } from './loop.ts'
import { emit } from './write.ts'

/** Players that are looked up at once. Each is erased in a transaction of its own, so that none waits for another. */
const batchMax = 100
/** Who was told a day is not waiting for the minute. */
const pauseMs = 30_000
/** For the release of one credential: two trips between the farthest regions, and the control cell's own work. */
const releaseMaxMs = 2_000

export type Eraser = Loop & {
  /**
   * Erases whoever is due, and releases what the erased signed in with, as far as the control cell can be reached. Between two
   * players it ends early when `signal` is aborted.
   */
  runOnce(signal?: AbortSignal): Promise<{ readonly erased: number; readonly released: number }>
}

export type EraserOptions = {
  readonly db: Db
  readonly directory: Directory
  readonly cell: Cell
  readonly log: Log
  readonly clock: () => number
}

/** Deletes the players whose time has come. Any number may run at once. */
export const createEraser = (options: EraserOptions): Eraser => {
  const { log } = options
  const runOnce = async (signal?: AbortSignal) => ({
    erased: await eraseDue(options, signal),
    released: await releaseErased(options, signal),
  })
  const loop = createLoop(async (signal) => {
    await runOnce(signal).catch((error: unknown) => log.error('erasing failed', error))
    return pauseMs
  })
  return { ...loop, runOnce }
}

/** Batch after batch, until one is not full, or none of it can be erased now. */
const eraseDue = async (options: EraserOptions, signal?: AbortSignal): Promise<number> => {
  for (let total = 0; ; ) {
    const due = await listDue(options.db, { now: new Date(options.clock()), limit: batchMax })
    let erased = 0
    for (const playerId of due) if (!signal?.aborted && (await eraseOne(options, playerId))) erased++
    total += erased
    if (due.length < batchMax || erased === 0) return total
  }
}

/** False for a player who has been restored or erased by another, or whom something else holds. One that fails stops no other. */
const eraseOne = async ({ db, cell, log, clock }: EraserOptions, playerId: PlayerId): Promise<boolean> => {
  const now = new Date(clock())
  try {
    return await db.transaction(async (tx) => {
      if (!(await lockDue(tx, { playerId, now }))) return false
      const event = await erase(tx, { playerId, now })
      await emit(tx, { cell, now, traceparent: '' }, event ? [event] : [])
      return event !== undefined
    })
  } catch (error) {
    log.error('a player could not be erased', error, { playerId })
    return false
  }
}

/** Ends at the first that cannot be released: the control cell is away then, and the next turn tries again. */
const releaseErased = async ({ db, directory, log, clock }: EraserOptions, signal?: AbortSignal): Promise<number> => {
  for (let released = 0; ; ) {
    const erased = await listUnreleased(db, batchMax)
    for (const playerId of erased) {
      if (signal?.aborted) return released
      try {
        for (const { provider, credentialHash } of await listCredentials(db, playerId)) {
          const now = new Date(clock())
          const origin = { now, requestId: randomUUID(), traceparent: '', deadlineAt: now.getTime() + releaseMaxMs }
          await directory.release({ provider, credentialHash }, playerId, origin)
        }
        await db.transaction((tx) => finishErasure(tx, playerId))
      } catch (error) {
        log.error('what a deleted player signed in with could not be released', error, { playerId })
        return released
      }
      released++
    }
    if (erased.length < batchMax) return released
  }
}
