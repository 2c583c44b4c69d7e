import type fc from 'fast-check'
import { getProfile } from '#contract/players.ts'
import type { VersionedStore } from '#infra/upstash.ts'
import { createDatabase, createIsolate, createSharedTier, type ModelDatabase, type Pause } from './cache-model.ts'
import { createHistory } from './history.ts'
import { createLossyStore, type Losses } from './lossy-store.ts'

/** Those of a route, in which hours pass. */
const lives = getProfile.delivery

/** What happens between two rounds of a stage. */
export type Event =
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'lose-version'; readonly key: string }
  | { readonly kind: 'fail-over'; readonly from: 0 | 1 }
  | { readonly kind: 'losses'; readonly losses: Losses }
  | { readonly kind: 'core'; readonly gone: boolean }
  | { readonly kind: 'replicate' }

/** A core that can be gone over a model of its database, and when each version was written. */
export const createCore = (database: ModelDatabase, clock: () => number) => {
  const history = createHistory()
  const core = {
    gone: false,
    /** How often it went away. */
    outages: 0,
    history,
    database: {
      ...database,
      write: (key: string, value: string | undefined) => {
        const version = database.write(key, value)
        history.note(key, version, clock())
        return version
      },
      read: async (...asked: Parameters<ModelDatabase['read']>) => {
        if (core.gone) throw new Error('the core does not answer')
        return database.read(...asked)
      },
    },
  }
  return core
}

/** A world of the model in which time stands still within a round. */
export const createLossyStage = (s: fc.Scheduler, random: () => number) => {
  let nowMs = 1_000_000
  const clock = () => nowMs
  const soon = new Set<Promise<unknown>>()
  /** Not later than the round: each of a reader's steps has a limit of a few seconds. */
  const readPause: Pause = (label) => {
    const step = s.schedule(Promise.resolve(), label)
    soon.add(step)
    return step.finally(() => soon.delete(step))
  }
  /** As late as the scheduler likes, hours later too. */
  const writePause: Pause = (label) => s.schedule(Promise.resolve(), label)
  const core = createCore(createDatabase({ clock, pause: readPause }), clock)
  const lossy = createLossyStore({ clock, random, readPause, writePause })
  const shared = createSharedTier(readPause)
  const { database } = core
  const newIsolate = (dataCentre: typeof shared, store: VersionedStore) =>
    createIsolate({ database, store, dataCentre, lives, clock, random })
  const [here, there] = lossy.stores
  return {
    clock,
    core,
    lossy,
    // Two isolates of one data centre, and one of another, near another region.
    isolates: [newIsolate(shared, here), newIsolate(shared, here), newIsolate(createSharedTier(readPause), there)],
    happen: (event: Event) => {
      if (event.kind === 'pass') nowMs += event.ms
      else if (event.kind === 'lose-version') lossy.loseVersion(event.key)
      else if (event.kind === 'fail-over') lossy.failOver(event.from)
      else if (event.kind === 'losses') Object.assign(lossy.losses, event.losses)
      else if (event.kind === 'core') core.gone = event.gone
      else database.replicate()
    },
    /** Until nothing is under way but writes to the store. */
    settle: async () => {
      while (soon.size > 0) await s.waitFor(Promise.all(soon))
    },
  }
}
export type LossyStage = ReturnType<typeof createLossyStage>
