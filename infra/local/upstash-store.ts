/** A command by its name and arguments, as Redis takes it. */
export type Command = readonly [name: string, ...args: string[]]

/** What RESP 2 can answer. */
export type Reply = string | number | null | readonly Reply[]

export type Outcome = { readonly result: Reply } | { readonly error: string }

/**
 * What stands behind the REST surface. Errors of commands are data; a rejection means that the store is out of reach.
 */
export type Store = {
  /** Runs the commands in order, one outcome each; others may come between them, and one that fails stops none. */
  pipeline(commands: readonly Command[]): Promise<readonly Outcome[]>
  /** As `pipeline`, with nothing between. A command that cannot be understood refuses them all, as one error. */
  transaction(commands: readonly Command[]): Promise<readonly Outcome[] | { readonly error: string }>
  close(): Promise<void>
}

/** An error that the caller is told in this wording, which is Redis's own. */
export class CommandError extends Error {}

export const unknownCommand = (name: string): string => `ERR unknown command '${name}'`

const reading = new Set([
  ...['DBSIZE', 'ECHO', 'EXISTS', 'GET', 'GETRANGE', 'HEXISTS', 'HGET', 'HGETALL', 'HKEYS', 'HLEN', 'HMGET', 'HVALS'],
  ...['KEYS', 'LLEN', 'LRANGE', 'MGET', 'PEXPIRETIME', 'PING', 'PTTL', 'SCAN', 'SCARD', 'SISMEMBER', 'SMEMBERS'],
  ...['STRLEN', 'TTL', 'TYPE', 'ZCARD', 'ZCOUNT', 'ZMSCORE', 'ZRANGE', 'ZRANK', 'ZREVRANK', 'ZSCORE'],
])

/** Whether the read-only token may send it. What is not known to only read counts as writing. */
export const onlyReads = ([name]: Command): boolean => reading.has(name.toUpperCase())
