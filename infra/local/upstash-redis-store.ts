import { Redis } from 'ioredis'
import { type Command, type Outcome, type Reply, type Store, unknownCommand } from './upstash-store.ts'

/** They change what the shared connection is, or never answer. Upstash does not take them over REST either. */
const refused = new Set([
  ...['AUTH', 'BLMOVE', 'BLPOP', 'BRPOP', 'BZPOPMAX', 'BZPOPMIN', 'CLIENT', 'DISCARD', 'EXEC', 'HELLO', 'MONITOR'],
  ...['MULTI', 'PSUBSCRIBE', 'PSYNC', 'QUIT', 'RESET', 'SELECT', 'SHUTDOWN', 'SSUBSCRIBE', 'SUBSCRIBE', 'SWAPDB'],
  ...['SYNC', 'UNWATCH', 'WAIT', 'WATCH'],
])

/** A stand-in that cannot reach its Redis says so soon; it must not look like one that is slow. */
const commandMaxMs = 2_000

/** A store over a Redis 7 (or Valkey) server, which is asked over one connection. */
export const createRedisStore = (url: string): Store => {
  const redis = new Redis(url, { commandTimeout: commandMaxMs, maxRetriesPerRequest: 1, protocol: 2 })
  // Each command reports a lost connection by itself; without a listener the event would end the process.
  redis.on('error', () => {})
  return {
    pipeline: (commands) =>
      Promise.all(
        commands.map(async (command): Promise<Outcome> => {
          if (isRefused(command)) return { error: unknownCommand(command[0]) }
          return redis.call(...withoutUpstashFlag(command)).then(outcomeOf, outcomeOf)
        }),
      ),
    transaction: async (commands) => {
      const stranger = commands.find(isRefused)
      if (stranger) return { error: `EXECABORT Transaction discarded because of: ${unknownCommand(stranger[0])}` }
      const transaction = redis.multi()
      for (const command of commands) transaction.call(...withoutUpstashFlag(command))
      try {
        const answers = (await transaction.exec()) ?? []
        return answers.map(([error, result]) => outcomeOf(error ?? result))
      } catch (error) {
        if (error instanceof Error && error.message.startsWith('EXECABORT')) return { error: error.message }
        throw error
      }
    },
    close: async () => {
      redis.disconnect()
    },
  }
}

const isRefused = ([name]: Command) => refused.has(name.toUpperCase())

/** Redis answers a bad command with an error of its own wording; anything else means that it cannot be reached. */
const outcomeOf = (answer: unknown): Outcome => {
  if (!(answer instanceof Error)) return { result: toReply(answer) }
  if (answer.name === 'ReplyError') return { error: answer.message }
  throw answer
}

/** ioredis makes an object of a HGETALL; over REST it stays the flat list that Redis sends. */
const toReply = (answer: unknown): Reply => {
  if (answer === null || typeof answer === 'string' || typeof answer === 'number') return answer
  if (Array.isArray(answer)) return answer.map(toReply)
  if (typeof answer === 'object') return Object.entries(answer).flatMap(([field, value]) => [field, toReply(value)])
  return String(answer)
}

/**
 * `#!lua flags=allow-key-locking` lets Upstash lock a script's keys instead of the database. Redis knows no such flag
 * and refuses the script; the other flags of the line are its own and stay.
 */
const withoutUpstashFlag = (command: Command): [string, ...string[]] => {
  const [name, ...args] = command
  const at = scriptAt(command)
  const script = at === undefined ? undefined : args[at]
  if (at === undefined || !script?.startsWith('#!lua')) return [name, ...args]
  const end = script.indexOf('\n') < 0 ? script.length : script.indexOf('\n')
  const flags = /flags=(\S*)/.exec(script.slice(0, end))?.[1]?.split(',') ?? []
  const kept = flags.filter((flag) => flag !== 'allow-key-locking')
  const line = kept.length > 0 ? `#!lua flags=${kept.join(',')}` : '#!lua'
  return [name, ...args.with(at, flags.length > 0 ? line + script.slice(end) : script)]
}

/** The place of the Lua source among the arguments; undefined for a command that carries none. */
const scriptAt = ([name, first]: Command): number | undefined => {
  const upper = name.toUpperCase()
  if (upper === 'EVAL' || upper === 'EVAL_RO') return 0
  return upper === 'SCRIPT' && first?.toUpperCase() === 'LOAD' ? 1 : undefined
}
