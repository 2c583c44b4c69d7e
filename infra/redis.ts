import { type RedisOptions as ClientOptions, Cluster, Redis } from 'ioredis'
import { RedisTlsConnector } from './redis-tls-connector.ts'

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

export type RedisOptions = {
  /** `redis://host:port`, or `rediss://host:port` for TLS on every connection, those to a cluster's other nodes too. */
  readonly url: string
  /** Whether the address is a cluster's discovery endpoint. */
  readonly cluster: boolean
  /**
   * PEM of the authorities that alone may have signed a server's certificate; undefined: those that Node knows, and then the
   * certificate must name the host as well.
   */
  readonly ca?: string | undefined
  /** Told once of each lost connection, not of each attempt to have it back. */
  readonly onError: (error: Error) => void
}

/**
 * A client for one server or, with `cluster`, for the cluster that the address is the discovery endpoint of. It connects in
 * the background, comes back by itself, and never queues a command while the connection is down.
 *
 * With `ca` a server has to show a certificate that is in date and that this authority has signed; what names are in it is not
 * looked at, for the nodes of Memorystore are reached by addresses that are given to them and moved between them. Its authority
 * belongs to one instance, so whoever passes is a node of that instance, though it may be another than was meant. An authority that
 * signs for others as well would let in each of them.
 */
export const createRedis = (options: RedisOptions): RegionalRedis => {
  const tls = tlsOf(options)
  const client = options.cluster
    ? new Cluster([options.url], {
        enableOfflineQueue: false,
        // A scheme says nothing of the nodes that are discovered, nor, to ioredis, of the first.
        redisOptions: { commandTimeout: commandTimeoutMs, ...tls },
        // What a certificate is to name is the host, not the address that was looked up for it.
        dnsLookup: (host, callback) => callback(null, host),
        clusterRetryStrategy: backoff,
      })
    : new Redis(options.url, {
        enableOfflineQueue: false,
        commandTimeout: commandTimeoutMs,
        maxRetriesPerRequest: 0,
        retryStrategy: backoff,
        ...tls,
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

/** An authority is never ignored: with one, an address that says nothing of TLS is spoken to in TLS too. */
const tlsOf = ({ url, ca }: RedisOptions): Pick<ClientOptions, 'tls' | 'Connector'> => {
  const Connector = RedisTlsConnector
  if (ca !== undefined) return { Connector, tls: { ca, checkServerIdentity: () => undefined } }
  return url.startsWith('rediss://') ? { Connector, tls: {} } : {}
}

const backoff = (attempt: number) => Math.min(50 * 2 ** attempt, reconnectMaxMs)
