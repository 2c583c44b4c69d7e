import { edgeHeaders } from '#contract/edge-request.ts'
import { Fault } from '#contract/problem.ts'
import { type Cached, fill } from '#contract/route.ts'
import type { VersionedStore } from '#infra/upstash.ts'
import type { Cells } from './cells.ts'
import type { Consistency } from './consistency.ts'
import type { AskCore, CoreAnswer } from './core.ts'
import { decodeEntry, type Entry, encodeEntry, etagOf } from './entry.ts'
import type { Routed } from './exchange.ts'
import type { MemoryTier } from './memory-tier.ts'

/** Where an answer came from, for `Cache-Status`. */
type Source = 'memory' | 'upstash' | 'core' | 'stale'

type Found = { readonly entry: Entry; readonly source: Source }

/** One question to the cache, with everything that decides which entry will do. */
type Question = {
  readonly key: string
  readonly tag: string
  readonly lives: Cached
  /** Nothing below this version will do, nor anything that was read before `since`. */
  readonly floor: number
  readonly since: number
}

/** How long a reader waits for core and tiers together, milliseconds. */
const budgetMs = 2_000
/** Loads under way in one isolate. Beyond that a request asks for itself. */
const flightsMax = 1_000

/**
 * Answers cached routes: isolate memory, then the global tier, then the core.
 *
 * Memory serves what was known to be the newest less than `freshMs` ago. The global tier tells an entry and the highest
 * version of its tag at once, and an entry below that is a miss: so a fill that was overtaken by a write disqualifies itself.
 * With the core gone, what is not known to be outdated is served up to `hardMs`.
 *
 * @throws Fault `unavailable`, `deadline_exceeded` when nothing that may be served is there
 */
export const createCache = (options: {
  readonly memory: MemoryTier
  readonly store: VersionedStore
  readonly askCore: AskCore
  readonly cells: Cells
  readonly consistency: Consistency
}): ((exchange: Routed, delivery: Cached) => Promise<Response>) => {
  const { memory, store } = options
  const flights = new Map<string, { question: Question; found: Promise<Found> }>()

  const load = async (exchange: Routed, question: Question): Promise<Found> => {
    const { key, tag, lives } = question
    const known = await store.lookUp(key, tag).catch(() => undefined)
    const stored = known?.entry ? decodeEntry(known.entry, Date.now()) : undefined
    const asked = { ...question, floor: Math.max(question.floor, known?.version ?? 0) }
    // Without a version nothing is known of the entry: the key that disqualifies it may have been lost.
    if (stored && known?.version !== null && willDo(stored, asked) && ageOf(stored) < lives.hardMs) {
      memory.put(key, stored)
      if (ageOf(stored) >= lives.staleMs) exchange.defer(fetchEntry(exchange, asked).catch(() => {}))
      return { entry: stored, source: 'upstash' }
    }
    try {
      return { entry: await fetchEntry(exchange, asked), source: 'core' }
    } catch (error) {
      const last = newest(
        [memory.get(key), stored].filter(
          (entry) => entry !== undefined && willDo(entry, asked) && ageOf(entry) < lives.hardMs,
        ),
      )
      if (last) return { entry: last, source: 'stale' }
      throw error
    }
  }

  /** Asks the core for at least the floor, and keeps the answer: in memory at once, in the global tier behind the response. */
  const fetchEntry = async (exchange: Routed, question: Question): Promise<Entry> => {
    const { key, tag, lives, floor } = question
    const answer = await options.askCore(exchange, {
      cell: options.cells.choose(exchange),
      method: 'GET',
      target: targetOf(exchange),
      headers: { [edgeHeaders.floor]: String(floor) },
      deadlineAt: Date.now() + budgetMs,
    })
    const entry = entryOf(answer)
    if (entry.version < floor) return entry
    memory.put(key, entry)
    const lifeMs = lives.hardMs
    exchange.defer(
      store.fill(key, { tag, version: entry.version }, { text: encodeEntry(entry), lifeMs }).catch(() => {}),
    )
    return entry
  }

  /** One load for all who ask at once, as long as it was asked for at least as new an entry. */
  const share = (exchange: Routed, question: Question): Promise<Found> => {
    const running = flights.get(question.key)
    if (running && running.question.floor >= question.floor && running.question.since >= question.since)
      return withTimer(running.found)
    const found = load(exchange, question)
    if (flights.size >= flightsMax) return found
    const flight = { question, found }
    flights.set(question.key, flight)
    const done = found.then(
      () => {},
      () => {},
    )
    exchange.defer(done.then(() => void (flights.get(question.key) === flight && flights.delete(question.key))))
    return found
  }

  return async (exchange, delivery) => {
    const tag = fill(delivery.tag, exchange.params)
    const { versionOf, since } = await options.consistency.floorOf(exchange)
    const question: Question = { key: `e1:${targetOf(exchange)}`, tag, lives: delivery, floor: versionOf(tag), since }
    const held = memory.get(question.key)
    const fresh =
      held && willDo(held, question) && Date.now() - held.checkedAt < delivery.freshMs && ageOf(held) < delivery.hardMs
    return respond(exchange, fresh ? { entry: held, source: 'memory' } : await share(exchange, question))
  }
}

const willDo = (entry: Entry, { floor, since }: Question) => entry.version >= floor && entry.storedAt >= since

const ageOf = (entry: Entry) => Date.now() - entry.storedAt

const newest = (entries: readonly (Entry | undefined)[]): Entry | undefined =>
  entries.reduce((best, entry) => (entry && (!best || entry.version > best.version) ? entry : best), undefined)

/** Path and query from the parsed parameters, never from the raw URL: two spellings of one question share an entry. */
const targetOf = ({ route, params, query }: Routed): string => {
  const search = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]))
  search.sort()
  return fill(route.path, params) + (search.size > 0 ? `?${search}` : '')
}

const entryOf = ({ status, headers, text }: CoreAnswer): Entry => {
  const version = Number(headers.get(edgeHeaders.version) ?? Number.NaN)
  const storedAt = Number(headers.get(edgeHeaders.readAt) ?? Number.NaN)
  if ((status !== 200 && status !== 404) || !Number.isSafeInteger(version) || !Number.isSafeInteger(storedAt)) {
    throw new Fault('unavailable', {
      detail: 'the core could not read this',
      cause: new Error(`the core answered ${status}`),
    })
  }
  // The body of a 404 is made anew for each request, since it carries the request's id.
  const body = status === 200 ? text : ''
  return {
    version,
    storedAt,
    checkedAt: Date.now(),
    status,
    contentType: headers.get('content-type') ?? '',
    body,
    etag: etagOf(version, body),
  }
}

/** A load belongs to the request that began it; whoever joined must not wait for ever should that request be cut off. */
const withTimer = async (found: Promise<Found>): Promise<Found> => {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Fault('deadline_exceeded')), 2 * budgetMs)
  try {
    return await Promise.race([found, promise])
  } finally {
    clearTimeout(timer)
  }
}

/** `Cache-Status` of RFC 9211: one cache, this edge; `detail` names the tier. */
const statusOf: Record<Source, string> = {
  memory: 'perigee; hit; detail=memory',
  upstash: 'perigee; hit; detail=upstash',
  core: 'perigee; fwd=miss; detail=core',
  stale: 'perigee; hit; fwd=stale; detail=core-unreachable',
}

const respond = (exchange: Routed, { entry, source }: Found): Response => {
  exchange.cacheStatus = statusOf[source]
  if (entry.status === 404) throw new Fault('not_found')
  const headers = {
    'content-type': entry.contentType,
    // Held by the client, used only after asking: a copy that it trusts would hide from it what it wrote itself.
    'cache-control': exchange.route.access === 'public' ? 'public, no-cache' : 'private, no-cache',
    etag: entry.etag,
    age: String(Math.max(0, Math.floor(ageOf(entry) / 1_000))),
  }
  const known = exchange.request.headers
    .get('if-none-match')
    ?.split(',')
    .map((tag) => tag.trim().replace(/^W\//, ''))
  const matches = known?.some((tag) => tag === entry.etag || tag === '*')
  return matches ? new Response(null, { status: 304, headers }) : new Response(entry.body, { status: 200, headers })
}
