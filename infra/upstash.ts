import { Redis } from '@upstash/redis/cloudflare'

/** A cached thing and the version that it has reached. */
export type TagVersion = { readonly tag: string; readonly version: number }

export type Found = {
  /** The entry's text, or null. */
  readonly entry: string | null
  /** The highest version of the tag that anybody told of; null when nobody did, or its key was lost. */
  readonly version: number | null
}

/** The global tier: entries, and for each tag the highest version that is known. Every method rejects on failure or timeout. */
export type VersionedStore = {
  /** Entry and version in one request. */
  lookUp(key: string, tag: string): Promise<Found>
  /**
   * Stores an entry and raises the version of its tag to its own, in one request. Tells how many keys there are then, for
   * fills have to stop before the store is full, and invalidations must not; rejects when it is full.
   */
  fill(
    key: string,
    tag: TagVersion,
    entry: { readonly text: string; readonly lifeMs: number },
  ): Promise<{ readonly keys: number }>
  /** Raises versions: each becomes the maximum of what it was and what is given, in any order, however often. One request. */
  raise(tags: readonly TagVersion[]): Promise<void>
  /** Resolves when the store answers. */
  ping(): Promise<void>
}

/**
 * Texts that are kept far away for when nothing nearer has them. Both methods reject on failure or timeout, which is that of
 * writes: whoever asks here has nothing else.
 */
export type LastingTexts = {
  /** Null where nothing was kept, or it is too long ago. */
  recall(key: string): Promise<string | null>
  /** In the place of what was kept under the key; whoever comes last wins. */
  keep(key: string, kept: { readonly text: string; readonly lifeMs: number }): Promise<void>
}

/** Far above the hard life of any entry: while an entry could be served, the version that disqualifies it must stand. */
export const versionLifeMs = 7 * 24 * 3_600_000

/** Upstash over its REST API. One attempt a call: a tier that fails is skipped, so nobody waits for a second one. */
export const createUpstash = (options: {
  readonly url: string
  readonly token: string
  readonly timeoutMs: number
  /** For what writes; as `timeoutMs` where it is absent. */
  readonly writeTimeoutMs?: number
}): VersionedStore & LastingTexts => {
  const { url, token, timeoutMs, writeTimeoutMs = timeoutMs } = options
  const connect = (limitMs: number) =>
    new Redis({
      url,
      token,
      retry: { retries: 0 },
      signal: () => AbortSignal.timeout(limitMs),
      automaticDeserialization: false,
      responseEncoding: false,
      enableTelemetry: false,
      // A fill's sync token would make the next look-up of this client wait for the replica; versions tell what is new.
      readYourWrites: false,
    })
  const redis = connect(timeoutMs)
  const writing = connect(writeTimeoutMs)
  return {
    lookUp: async (key, tag) => {
      const [entry, version] = await redis
        .pipeline()
        .get<string>(key)
        .zscore(versionKey(tag), member)
        .exec<[string | null, number | string | null]>()
      return { entry, version: version === null ? null : Number(version) }
    },
    fill: async (key, tag, entry) => {
      const pipeline = writing.pipeline().set(key, entry.text, { px: entry.lifeMs })
      // Of what Upstash tells of its size this is the one figure that its client knows a command for; of INFO it documents no
      // fields.
      const answers = await raiseIn(pipeline, tag).dbsize().exec<unknown[]>()
      return { keys: Number(answers.at(-1)) }
    },
    raise: async (tags) => {
      if (tags.length === 0) return
      await tags.reduce(raiseIn, writing.pipeline()).exec()
    },
    ping: async () => {
      await redis.ping()
    },
    recall: (key) => writing.get<string>(key),
    keep: async (key, { text, lifeMs }) => {
      await writing.set(key, text, { px: lifeMs })
    },
  }
}

type Pipeline = ReturnType<Redis['pipeline']>

/** The version is the score of the one member of a sorted set: `ZADD GT` is an atomic maximum that needs no script. */
const member = 'version'

const versionKey = (tag: string) => `v:${tag}`

const raiseIn = (pipeline: Pipeline, { tag, version }: TagVersion): Pipeline =>
  pipeline
    .zadd(versionKey(tag), { gt: true }, { score: version, member })
    .pexpire(versionKey(tag), versionLifeMs) as Pipeline
