import type { Faults } from './upstash-faults.ts'
import { type Command, CommandError, type Outcome, onlyReads, type Store } from './upstash-store.ts'

/**
 * Counts commands by the second; `now` is milliseconds since 1970.
 *
 * Upstash lists "max commands per second" with its prices, and documents neither the wording nor the status of what goes
 * beyond it. The status is the only one that its REST API gives to a command that is refused, and the wording follows what it
 * says for the other limits.
 * @throws CommandError for commands that do not fit into this second; they are not counted
 * @see https://upstash.com/pricing/redis and https://upstash.com/docs/redis/troubleshooting/max_requests_limit
 */
export const createCommandMeter = (now: () => number): ((commands: number, commandsMax: number) => void) => {
  let second = 0
  let used = 0
  return (commands, commandsMax) => {
    const current = Math.floor(now() / 1_000)
    if (current !== second) used = 0
    second = current
    if (used + commands > commandsMax)
      throw new CommandError(
        `ERR max commands per second exceeded. Limit: ${commandsMax}, Usage: ${used + commands}. See https://upstash.com/pricing/redis for details`,
      )
    used += commands
  }
}

/** Upstash's wording, with the figures of its free plan. */
const fullError =
  'ERR DB capacity quota exceeded. Threshold: 268435456 bytes, Usage: 268435457 bytes. See https://upstash.com/docs/redis/troubleshooting/db_capacity_quota_exceeded for details'

const shrinking = new Set(['DEL', 'FLUSHALL', 'FLUSHDB', 'HDEL', 'UNLINK', 'ZREM'])

/**
 * A store that refuses to grow while `faults.full`: reads and deletions go on, as Upstash says.
 * @see https://upstash.com/docs/redis/troubleshooting/db_capacity_quota_exceeded
 */
export const createBoundedStore = (store: Store, faults: Faults): Store => {
  const isRefused = (command: Command) => faults.full && !onlyReads(command) && !shrinking.has(command[0].toUpperCase())
  return {
    pipeline: async (commands) => {
      const refused = commands.map(isRefused)
      const outcomes = [...(await store.pipeline(commands.filter((_, at) => !refused[at])))]
      return refused.map((isIt): Outcome => (isIt ? undefined : outcomes.shift()) ?? { error: fullError })
    },
    transaction: async (commands) =>
      commands.some(isRefused)
        ? { error: `EXECABORT Transaction discarded because of: ${fullError}` }
        : store.transaction(commands),
    close: () => store.close(),
  }
}
