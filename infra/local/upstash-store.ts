/** A command by its name and arguments, as Redis takes it. */
export type Command = readonly [name: string, ...args: string[]]

/** What RESP 2 can answer. */
export type Reply = string | number | null | readonly Reply[]

export type Outcome = { readonly result: Reply } | { readonly error: string }

/** One for each command; or, of a transaction that was discarded, one for all. */
export type Outcomes = readonly Outcome[] | { readonly error: string }

/**
 * What stands behind the REST surface. Errors of commands are data; a rejection means that the store is out of reach.
 */
export type Store = {
  /** Runs the commands in order, one outcome each; others may come between them, and one that fails stops none. */
  pipeline(commands: readonly Command[]): Promise<readonly Outcome[]>
  /** As `pipeline`, with nothing between. A command that cannot be understood refuses them all, as one error. */
  transaction(commands: readonly Command[]): Promise<Outcomes>
  close(): Promise<void>
}

/** An error that the caller is told in this wording, which is Redis's own. */
export class CommandError extends Error {}

export const unknownCommand = (name: string): string => `ERR unknown command '${name}'`

const reading = new Set([
  ...['DBSIZE', 'ECHO', 'EXISTS', 'GET', 'GETRANGE', 'HEXISTS', 'HGET', 'HGETALL', 'HKEYS', 'HLEN', 'HMGET', 'HVALS'],
  ...['LLEN', 'LRANGE', 'MGET', 'PEXPIRETIME', 'PING', 'PTTL', 'SCARD', 'SISMEMBER', 'SMEMBERS'],
  ...['STRLEN', 'TTL', 'TYPE', 'ZCARD', 'ZCOUNT', 'ZMSCORE', 'ZRANGE', 'ZRANK', 'ZREVRANK', 'ZSCORE'],
])

/**
 * Whether the read-only token may send it, and a replica answer it. What is not known to only read counts as writing, and so
 * do KEYS and SCAN, which Upstash does not grant to that token.
 * @see https://upstash.com/docs/redis/features/restapi (Security and Authentication)
 */
export const onlyReads = ([name]: Command): boolean => reading.has(name.toUpperCase())
