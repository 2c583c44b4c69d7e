import type postgres from 'postgres'
import { eventually } from './eventually.ts'
import { fulfils } from './fulfils.ts'
import type { WorldCell } from './world-cell.ts'

/** How many of the database's connections wait for a lock that another one has. */
const lockWaits = async ({ sql }: Pick<WorldCell, 'sql'>): Promise<number> =>
  (await sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`).length

/** Whether so many connections come to wait for a lock, soon enough for the first to wait still: it gives up after half a second. */
export const meet = async (world: Pick<WorldCell, 'sql'>, count: number, withinMs = 400): Promise<boolean> => {
  const isSo = async () => (await lockWaits(world)) >= count
  return fulfils(eventually(isSo, withinMs))
}

const scenesMax = 10

/** Plays a scene anew until those who are to meet in it have met: on a busy machine one may be gone before the other comes. */
export const untilMet = async <Outcome>(scene: () => Promise<Outcome | undefined>): Promise<Outcome> => {
  for (let played = 0; played < scenesMax; played++) {
    const outcome = await scene()
    if (outcome !== undefined) return outcome
  }
  throw new Error(`they have not met in ${scenesMax} scenes`)
}

/**
 * Lets calls run into locks that are held until so many of them wait, so that these go on at one moment. Their outcomes; undefined
 * when they did not come to wait in time, as for `meet`.
 */
export const releasedAtOnce = async <Outcome>(
  world: Pick<WorldCell, 'sql'>,
  hold: (tx: postgres.TransactionSql) => Promise<unknown>,
  calls: readonly (() => Promise<Outcome>)[],
  { waiting = calls.length, withinMs }: { readonly waiting?: number; readonly withinMs?: number } = {},
): Promise<readonly Outcome[] | undefined> => {
  const { outcomes, met } = await world.sql.begin(async (tx) => {
    await hold(tx)
    return { outcomes: Promise.all(calls.map((call) => call())), met: await meet(world, waiting, withinMs) }
  })
  const all = await outcomes
  return met ? all : undefined
}
