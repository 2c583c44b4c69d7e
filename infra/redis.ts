import { Cluster, Redis } from 'ioredis'

/** What Perigee asks of Memorystore. Everything in it can be lost: callers say what they do without it. */
export type RegionalRedis = {
  /** Runs a script whose keys share one slot. Rejects within `commandTimeoutMs` when Redis is away. */
  run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>
  /** What was put under a key; undefined when nothing was, or its life is over. Rejects as `run`. */
  get(key: string): Promise<string | undefined>
  /** Puts a text under a key, in the place of what is there, for `lifeMs`. Rejects as `run`. */
  put(key: string, value: string, lifeMs: number): Promise<void>
  ping(): Promise<void>
  close(): Promise<void>
}

/** A Lua script under a name; it is sent once and called by its hash. */
export type Script = { readonly name: string; readonly text: string; readonly keys: number }

/** A caller waits for a player: what Redis has not said by then is decided without it. */
const commandTimeoutMs = 150
const reconnectMaxMs = 2_000

/**
 * A client for one server or, with `cluster`, for the cluster that the address is the discovery endpoint of. It connects in
 * the background, comes back by itself, and never queues a command while the connection is down.
 *
 * @param options.onError told once of each lost connection, not of each attempt to have it back
 */
export const createRedis = (options: {
  readonly url: string
  readonly cluster: boolean
  readonly onError: (error: Error) => void
}): RegionalRedis => {
  const client = options.cluster
    ? new Cluster([options.url], {
        enableOfflineQueue: false,
        redisOptions: { commandTimeout: commandTimeoutMs },
        clusterRetryStrategy: backoff,
      })
    : new Redis(options.url, {
        enableOfflineQueue: false,
        commandTimeout: commandTimeoutMs,
        maxRetriesPerRequest: 0,
        retryStrategy: backoff,
      })
  let isTold = false
  client.on('ready', () => {
    isTold = false
  })
  client.on('error', (error: Error) => {
    if (!isTold) options.onError(error)
    isTold = true
  })

  const defined = new Set<string>()
  return {
    run: async (script, keys, args) => {
      if (!defined.has(script.name)) {
        client.defineCommand(script.name, { numberOfKeys: script.keys, lua: script.text })
        defined.add(script.name)
      }
      // ioredis adds the command under its name at run time, where its types cannot know it.
      const commands = client as unknown as Record<string, (...all: (string | number)[]) => Promise<unknown>>
      return commands[script.name]?.(...keys, ...args)
    },
    get: async (key) => (await client.get(key)) ?? undefined,
    put: async (key, value, lifeMs) => {
      await client.set(key, value, 'PX', lifeMs)
    },
    ping: async () => {
      await client.ping()
    },
    close: async () => {
      client.disconnect()
    },
  }
}

const backoff = (attempt: number) => Math.min(50 * 2 ** attempt, reconnectMaxMs)
