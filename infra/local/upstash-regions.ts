import type { Faults } from './upstash-faults.ts'
import { createMemoryStore } from './upstash-memory-store.ts'
import type { Work } from './upstash-request.ts'
import { type Command, type Outcomes, onlyReads, type Store } from './upstash-store.ts'
import { withFixedTime } from './upstash-times.ts'

/** Outcomes, and the state that they were made from: the number of writes that had been taken by then. */
export type Answered = { readonly outcomes: Outcomes; readonly state: number }

/** The primary region of a database and, where there is one, a region that reads go to. */
export type Regions = {
  /**
   * Writes, and batches with a write in them, go to the primary; the others to the replica, unless it is behind `seen`, the
   * state that the client knows of. Rejects when a store is out of reach.
   */
  run(work: Work, seen: number): Promise<Answered>
  /** Brings the replica to the primary's state, whatever the lag. */
  catchUp(): Promise<void>
  close(): Promise<void>
}

export type RegionsOptions = {
  readonly primary: Store
  readonly replica: Store | undefined
  readonly faults: Faults
  readonly random: () => number
  /** Milliseconds since 1970, of the same clock as the stores'. */
  readonly now: () => number
}

/** A write on its way to the replica; the commands are known when the primary has answered. */
type Entry = { readonly state: number; readonly dueAt: number; readonly commands: Promise<readonly Command[]> }

/**
 * A replica that lags, in order. Nothing runs between requests: what is due reaches the replica before anybody looks at it.
 *
 * Upstash lets a replica that is behind a sync token catch up before it answers; here the primary answers instead. Both
 * give what the token asks for, and this leaves the replica as far behind as it was for everybody else.
 * @see https://upstash.com/docs/redis/howto/readyourwrites
 */
export const createRegions = ({ primary, replica, faults, random, now }: RegionsOptions): Regions => {
  const log: Entry[] = []
  let accepted = 0
  let applied = 0
  let applying = Promise.resolve()

  const applyDue = async (to: Store, dueMax: number): Promise<void> => {
    for (let entry = log[0]; entry !== undefined && entry.dueAt <= dueMax; entry = log[0]) {
      const commands = await entry.commands
      if (commands.length > 0) await to.pipeline(commands)
      log.shift()
      applied = entry.state
    }
  }
  /** One at a time; an entry that the replica could not be told of stays the first for the next attempt. */
  const follow = (to: Store, dueMax: number): Promise<void> => {
    applying = applying.catch(() => {}).then(() => applyDue(to, dueMax))
    return applying
  }

  const write = async (work: Work): Promise<Answered> => {
    const at = now()
    const forgotten = random() < faults.forgetRate
    const state = ++accepted
    const outcomes = runOn(forgotten ? createMemoryStore() : primary, work)
    if (replica) {
      const unheard = forgotten || random() < faults.divergeRate
      const lagMs = typeof faults.lagMs === 'number' ? faults.lagMs : faults.lagMs()
      log.push({
        state,
        dueAt: Math.max(log.at(-1)?.dueAt ?? 0, at + lagMs),
        commands: unheard ? Promise.resolve([]) : outcomes.then((known) => replicated(work, known, at)).catch(() => []),
      })
      // The log holds what the lag keeps back, and not what nobody has asked for yet; a reader is told of a failure.
      follow(replica, at).catch(() => {})
    }
    return { outcomes: await outcomes, state }
  }

  return {
    run: async (work, seen) => {
      if (!work.commands.every(onlyReads)) return write(work)
      if (replica) await follow(replica, now())
      if (replica && applied >= seen) {
        const state = applied
        return { outcomes: await runOn(replica, work), state }
      }
      const state = accepted
      return { outcomes: await runOn(primary, work), state }
    },
    catchUp: async () => {
      if (replica) await follow(replica, Number.POSITIVE_INFINITY)
    },
    close: async () => {
      await applying.catch(() => {})
      await Promise.all([primary.close(), replica?.close()])
    },
  }
}

const runOn = (store: Store, { kind, commands }: Work): Promise<Outcomes> =>
  kind === 'transaction' ? store.transaction(commands) : store.pipeline(commands)

/** What the replica is told of: what the primary has carried out. */
const replicated = ({ commands }: Work, outcomes: Outcomes, at: number): readonly Command[] => {
  if ('error' in outcomes) return []
  return commands.flatMap((command, index) => {
    const outcome = outcomes[index]
    return onlyReads(command) || !outcome || 'error' in outcome ? [] : [withFixedTime(command, at)]
  })
}
