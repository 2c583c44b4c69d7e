import type { Demand, Flights } from '#edge/flights.ts'
import type { DataCentreTier } from './data-centre-tier.ts'
import type { Entry, Reading } from './entry.ts'
import { isCheckDue, isCurrent, isFresh, isRefreshDue, isUsable, type Lives, livesOf } from './freshness.ts'
import type { GlobalTier } from './global-tier.ts'
import type { MemoryTier } from './memory-tier.ts'
import { createSteps, type Step } from './steps.ts'

/** One question to the cache, with everything that decides which entry will do. */
export type Question = Demand & { readonly key: string; readonly tag: string; readonly lives: Lives }

/** The request that asks. */
export type Reader = {
  /** Reads from the core. */
  readonly load: (demand: Demand) => Promise<Reading>
  /** Keeps work alive after the response is sent. */
  readonly keepAlive: (work: Promise<unknown>) => void
}

export type Found = {
  readonly entry: Entry
  /** Which tier answered; `last` is what was left when the core could not be reached. */
  readonly source: 'memory' | Step['tier'] | 'last'
  /** Why the core was asked: nothing was there, what was there is too old, or the reader has written something newer. */
  readonly forwarded?: 'miss' | 'stale' | 'request'
  /** The tiers that were asked, in order; none for an answer from memory. */
  readonly steps: readonly Step[]
  /** Another request had asked already, and this one waited for its answer. */
  readonly collapsed?: true
}

export type CacheParts = {
  readonly memory: MemoryTier
  readonly dataCentre: DataCentreTier
  readonly global: GlobalTier
  /** Questions under way, and loads from the core under way: a refresh behind the response is one of the latter alone. */
  readonly questions: Flights<Found>
  readonly loads: Flights<Entry>
  /** Counts what failed behind the answers, where nobody waits for it. */
  readonly countFailure: (of: 'check' | 'refresh' | 'fill' | 'put') => void
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** From 0 to below 1. */
  readonly random: () => number
}

/** A question under way. */
type Look = CacheParts & { readonly question: Question; readonly reader: Reader }

/**
 * Orders the tiers: isolate memory, the data centre, Upstash, the core. Each is asked once at the most.
 *
 * The two near tiers answer with what was known to be the newest less than `freshMs` ago. Upstash tells an entry and the
 * highest version of its tag at once, and an entry below that is a miss: so a fill that was overtaken by a write disqualifies
 * itself. With the core gone, what is not known to be outdated is served up to `hardMs`.
 *
 * Rejects as `Reader.load` does when nothing that may be served is there.
 */
export const createCache =
  (parts: CacheParts) =>
  (question: Question, reader: Reader): Found | Promise<Found> => {
    const { key, lives } = question
    const nowMs = parts.clock()
    const share = () =>
      parts.questions.share(key, {
        demand: question,
        // What Upstash told may be as old as the question is.
        joinMs: lives.freshMs,
        load: () => ask({ ...parts, question, reader }),
        keepAlive: reader.keepAlive,
      })
    const held = parts.memory.get(key)
    if (held && willDo(held, question) && isFresh(held, lives, nowMs)) {
      if (isCheckDue(held, lives, { nowMs, random: parts.random() }))
        behind({ ...parts, question, reader }, 'check', share().result)
      return { entry: held, source: 'memory', steps: [] }
    }
    const { result, joined } = share()
    return joined ? result.then((found) => ({ ...found, collapsed: true })) : result
  }

/** Asks tier after tier until one has an entry that will do. */
const ask = async (look: Look): Promise<Found> => {
  const { memory, dataCentre, global, question, clock, random } = look
  const { key, tag, lives } = question
  const steps = createSteps(clock)
  const held = memory.get(key)
  // No answer is to be less than this isolate has answered with before, or has heard of.
  const least = { floor: Math.max(question.floor, memory.floorOf(key)), since: question.since }

  const near = await steps.ask('data-centre', () => dataCentre.get(key)).catch(() => undefined)
  if (near && near.checkedAt > (held?.checkedAt ?? 0) && willDo(near, least) && isFresh(near, lives, clock())) {
    return { entry: memory.put(key, near), source: 'data-centre', steps: steps.hit() }
  }

  const askedAt = clock()
  const known = await steps.ask('upstash', () => global.lookUp(key, tag)).catch(() => undefined)
  // Of an early check nothing depends: what is fresh stays so, and the core is spared.
  if (!known && held && willDo(held, question) && isFresh(held, lives, clock()))
    return { entry: held, source: 'memory', steps: steps.taken }
  const stored = known?.entry
  const demand = { ...least, floor: Math.max(least.floor, known?.version ?? 0) }
  memory.supersede(key, known?.version ?? 0)
  // Without a version nothing is known of the entry: the key that disqualifies it may have been lost.
  if (stored && known.version !== null && willDo(stored, demand) && isCurrent(stored, lives, clock())) {
    const entry = keepNear(look, stored)
    if (isRefreshDue(stored, lives, { nowMs: clock(), random: random() }))
      behind(look, 'refresh', load(look, demand, askedAt))
    return { entry, source: 'upstash', steps: steps.hit() }
  }

  const left = [held, near, stored].filter((entry) => entry !== undefined)
  const forwarded = left.length === 0 ? 'miss' : left.some((entry) => willDo(entry, question)) ? 'stale' : 'request'
  try {
    const entry = await steps.ask('core', () => load(look, demand, askedAt))
    return { entry, source: 'core', forwarded, steps: steps.hit() }
  } catch (error) {
    const mayServe = (entry: Entry | undefined) =>
      entry !== undefined && willDo(entry, demand) && isUsable(entry, lives, clock())
    const last = newestOf([memory.get(key), near, stored].filter(mayServe))
    if (!last) throw error
    return { entry: last, source: 'last', forwarded, steps: steps.taken }
  }
}

/**
 * Reads from the core once for all who want it now, and keeps the answer in every tier, the far ones behind the response.
 * `askedAt`: when the versions were looked up that the demand rests on.
 */
const load = (look: Look, demand: Demand, askedAt: number): Promise<Entry> => {
  const { loads, global, question, reader } = look
  const { key, tag, lives } = question
  const read = async (): Promise<Entry> => {
    const entry = { ...(await reader.load(demand)), checkedAt: askedAt }
    // What the core's own database has lost is what there is, and no tier is to believe it newest.
    if (entry.version < demand.floor) return entry
    const newest = keepNear(look, entry)
    // Anybody can ask for any number of things that never were: such answers are for the near tiers alone.
    if (entry.version === 0) return newest
    const keptMs = livesOf(entry, lives).hardMs
    behind(look, 'fill', global.fill(key, { tag, version: entry.version }, { entry, keptMs }))
    return newest
  }
  return loads.share(key, { demand, load: read, keepAlive: reader.keepAlive }).result
}

/** Answers with the newest that this isolate knows: another question may have learnt more while this one was under way. */
const keepNear = (look: Look, entry: Entry): Entry => {
  const { key, lives } = look.question
  behind(look, 'put', look.dataCentre.put(key, entry, livesOf(entry, lives).hardMs))
  return look.memory.put(key, entry)
}

const willDo = (entry: Entry, { floor, since }: Demand) => entry.version >= floor && entry.storedAt >= since

const newestOf = (entries: readonly (Entry | undefined)[]): Entry | undefined =>
  entries.reduce((best, entry) => (best && entry && best.version >= entry.version ? best : entry), undefined)

/** Lets work go on behind the answer. */
const behind = ({ reader, countFailure }: Look, what: 'check' | 'refresh' | 'fill' | 'put', work: Promise<unknown>) =>
  reader.keepAlive(work.catch(() => countFailure(what)))
