import { Fault } from '#contract/problem.ts'
import type { Cached } from '#contract/route.ts'
import type { Answer } from '#edge/answer.ts'
import type { Consistency } from '#edge/consistency.ts'
import { isKnown } from '#edge/etag.ts'
import type { Routed } from '#edge/exchange.ts'
import type { Found, Question, Reader } from './cache.ts'
import type { CoreTier } from './core-tier.ts'
import { keyOf, tagOf } from './key.ts'
import type { Step } from './steps.ts'

/** Answers cached routes over HTTP. @throws Fault `not_found`; `overloaded`, `unavailable`, `deadline_exceeded` when nothing may be served */
export const createAnswerCached =
  ({
    cache,
    readCore,
    consistency,
  }: {
    readonly cache: (question: Question, reader: Reader) => Found | Promise<Found>
    readonly readCore: CoreTier
    readonly consistency: Consistency
  }) =>
  async (exchange: Routed, delivery: Cached): Promise<Answer> => {
    const tag = tagOf(exchange, delivery)
    const { versionOf, since } = await consistency.floorOf(exchange)
    const found = await cache(
      { key: keyOf(exchange), tag, lives: delivery, floor: versionOf(tag), since },
      { load: (demand) => readCore(exchange, demand), keepAlive: exchange.defer },
    )
    const { entry } = found
    exchange.cacheStatus = cacheStatusOf(found, delivery)
    exchange.serverTiming = serverTimingOf(found)
    exchange.fromMemory = found.source === 'memory'
    exchange.tier = found.source
    if (entry.status === 404) throw new Fault('not_found')
    const headers: Answer['headers'] = {
      'content-type': entry.contentType,
      // Held by the client, used only after asking: a copy that it trusts would hide from it what it wrote itself.
      'cache-control': exchange.route.access === 'public' ? 'public, no-cache' : 'private, no-cache',
      etag: entry.etag,
      age: String(Math.max(0, Math.floor((Date.now() - entry.storedAt) / 1_000))),
    }
    return isKnown(entry.etag, exchange.headers.get('if-none-match'))
      ? { status: 304, headers, body: null }
      : { status: 200, headers, body: entry.body }
  }

/**
 * One cache, this edge. `detail` names the tier that answered; `ttl`, in seconds, is how long that tier answers with it
 * unasked, or, where the core could not be reached, by how much that has passed. @see RFC 9211
 */
const cacheStatusOf = ({ entry, source, forwarded, collapsed }: Found, { freshMs }: Cached): string => {
  const ttl = () => Math.floor((entry.checkedAt + freshMs - Date.now()) / 1_000)
  if (source === 'core') return `perigee; fwd=${forwarded}${collapsed ? '; collapsed' : ''}; detail=core`
  return `perigee; hit; ttl=${ttl()}; detail=${source === 'last' ? 'core-unreachable' : source}`
}

/** What each tier that was asked has taken; nothing where none was. @see https://www.w3.org/TR/server-timing/ */
const serverTimingOf = ({ steps }: Found): string | undefined =>
  steps.length === 0 ? undefined : steps.map(metricOf).join(', ')

const metricOf = ({ tier, outcome, durationMs }: Step) => `${tier};dur=${durationMs};desc=${outcome}`
