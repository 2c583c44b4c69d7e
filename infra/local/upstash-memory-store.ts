import { collectionCommands } from './upstash-memory-collections.ts'
import { Keyspace, type MemoryCommand } from './upstash-memory-keyspace.ts'
import { stringCommands } from './upstash-memory-strings.ts'
import { type Command, CommandError, type Outcome, type Store, unknownCommand } from './upstash-store.ts'

const commandsByName = new Map<string, MemoryCommand>(Object.entries({ ...stringCommands, ...collectionCommands }))

/**
 * A store in this process, for machines without Redis: it knows the commands that Perigee sends, and no scripts.
 * `now` is milliseconds since 1970.
 */
export const createMemoryStore = ({ now = Date.now }: { readonly now?: () => number } = {}): Store => {
  const keyspace = new Keyspace(now)
  const runAll = (commands: readonly Command[]) => commands.map((command) => run(keyspace, command))
  return {
    pipeline: async (commands) => runAll(commands),
    transaction: async (commands) => {
      const refusal = commands.map(refusalOf).find((text) => text !== undefined)
      if (refusal !== undefined) return { error: `EXECABORT Transaction discarded because of: ${refusal}` }
      return runAll(commands)
    },
    close: async () => keyspace.clear(),
  }
}

/** Why a command cannot be run whatever the keys hold; undefined where it can. */
const refusalOf = ([name, ...args]: Command): string | undefined => {
  const command = commandsByName.get(name.toUpperCase())
  if (!command) return unknownCommand(name)
  if (args.length < command.argsMin) return `ERR wrong number of arguments for '${name.toLowerCase()}' command`
  return undefined
}

const run = (keyspace: Keyspace, command: Command): Outcome => {
  const refusal = refusalOf(command)
  const [name, ...args] = command
  const found = commandsByName.get(name.toUpperCase())
  if (refusal !== undefined || !found) return { error: refusal ?? unknownCommand(name) }
  try {
    return { result: found.run(keyspace, args) }
  } catch (error) {
    if (error instanceof CommandError) return { error: error.message }
    throw error
  }
}
