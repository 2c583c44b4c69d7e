import { type ContentKind, type ContentPointer, type ContentPointers, contentKinds } from '#contract/content.ts'
import { type Calendar, prepareLiveEvents } from '#contract/evaluate/calendar.ts'
import { noDocuments, readCompiled } from '#contract/evaluate/compiled.ts'
import { createEvaluator, type Evaluator } from '#contract/evaluate/evaluator.ts'
import { type Flags, prepareFlags } from '#contract/evaluate/flags.ts'
import { Fault } from '#contract/problem.ts'
import type { Log } from '#infra/log.ts'
import { withTimeLimit } from '#infra/time-limit.ts'
import type { Exchange } from './exchange.ts'
import { createFlights } from './flights.ts'

/** What this isolate answers from. The same object until a document is published. */
export type Published = {
  readonly evaluator: Evaluator
  /** Of the document that each kind is evaluated with; 0 where nothing was published. */
  readonly numbers: Readonly<Record<ContentKind, number>>
}

/** What is live of each kind, and when a core said so, ms since 1970. The same object until somebody asked anew. */
export type Pointers = { readonly value: ContentPointers; readonly fetchedAt: number }

/** The published documents of this isolate, made ready. */
export type Content = {
  /** @throws Fault `unavailable`, `deadline_exceeded` while no good document of a kind can be had that was published */
  get(exchange: Exchange): Promise<Published>
}

/**
 * What a request may be answered from though a newer document is known: the isolate knew ten seconds ago that it was current.
 * A second less than is promised of a publish.
 */
const currentMs = 9_000
/** What a request waits for a document at the most. */
const waitMaxMs = 2_000
/** A document that could not be had is not asked for again for this long. */
const retryMs = 1_000
/** Who has no document says so sooner. A core that hangs is found out by one request, and not by all until it is back. */
const slowMs = 500

type Prepared = { readonly flags: Flags; readonly 'live-events': Calendar }
type Taken<Kind extends ContentKind> = { readonly pointer: ContentPointer; readonly prepared: Prepared[Kind] }
/** A hash that could not be had: when that was clear, and whether it took so long that nobody is to wait for it again. */
type Miss = { readonly hash: string; readonly at: number; readonly slow: boolean }
type Holding = { -readonly [Kind in ContentKind]?: Taken<Kind> }

/**
 * Follows the pointers that the cores publish. A document is taken when it is newer than what is held and can be read; one that
 * cannot is told of once, and what is held stays. An isolate that was idle waits for a new document instead of answering
 * from an old one; a busy one loads it behind the answers.
 */
export const createContent = ({
  readPointers,
  readBody,
  log,
  clock,
}: {
  readonly readPointers: (exchange: Exchange) => Promise<Pointers>
  /** The text of a hash; rejects where nobody has it. */
  readonly readBody: (hash: string, exchange: Exchange) => Promise<string>
  readonly log: Log
  readonly clock: () => number
}): Content => {
  const holding: Holding = {}
  /** Of each kind the last hash that could not be read, and the last that could not be had. */
  const refused = new Map<ContentKind, string>()
  const missed = new Map<ContentKind, Miss>()
  const flights = createFlights<void>({ maxMs: waitMaxMs, onLate: () => new Fault('deadline_exceeded'), clock })
  let published: Published | undefined
  let followed: Pointers | undefined
  let currentAt = 0

  /** Of two that are loaded at once the higher version stays, whichever comes last. */
  const take = (kind: ContentKind, pointer: ContentPointer, text: string) => {
    if (isOlder(pointer, holding[kind]?.pointer)) return
    if (kind === 'flags') holding.flags = { pointer, prepared: prepareFlags(readCompiled<'flags'>(text)) }
    else holding[kind] = { pointer, prepared: prepareLiveEvents(readCompiled<typeof kind>(text)) }
    published = undefined
  }

  const miss = (kind: ContentKind, hash: string, startedAt: number) =>
    missed.set(kind, { hash, at: clock(), slow: clock() - startedAt >= slowMs })

  const load = async (kind: ContentKind, pointer: ContentPointer, exchange: Exchange): Promise<void> => {
    const { hash, number } = pointer
    // A rollback may bring back what was never replaced.
    const held = holding[kind]
    if (held?.pointer.hash === hash) {
      Object.assign(holding, { [kind]: { ...held, pointer } })
      published = undefined
      return
    }
    const startedAt = clock()
    let text: string
    try {
      text = await readBody(hash, exchange)
    } catch (error) {
      miss(kind, hash, startedAt)
      throw error
    }
    try {
      take(kind, pointer, text)
    } catch (error) {
      refused.set(kind, hash)
      log.error('a published document cannot be read; the last good one stays', error, { kind, number, hash })
      throw new Fault('unavailable', { cause: error })
    }
  }

  const wantedOf = ({ value }: Pointers): ContentKind[] =>
    contentKinds.filter((kind) => {
      const pointer = value[kind]
      return pointer !== undefined && refused.get(kind) !== pointer.hash && !isOlder(pointer, holding[kind]?.pointer)
    })

  const fetchAll = async (kinds: readonly ContentKind[], { value }: Pointers, exchange: Exchange) => {
    const keepAlive = (work: Promise<unknown>) => exchange.defer(work.catch(() => {}))
    const loads = kinds.flatMap((kind) => {
      const pointer = value[kind]
      const last = missed.get(kind)
      if (!pointer || (last?.hash === pointer.hash && clock() - last.at < retryMs)) return []
      const flight = {
        demand: { floor: pointer.version, since: 0 },
        load: () => load(kind, pointer, exchange),
        keepAlive,
      }
      return [flights.share(`${kind} ${pointer.hash}`, flight).result]
    })
    await Promise.allSettled(loads)
  }

  const isSlow = (kind: ContentKind, { value }: Pointers): boolean => {
    const last = missed.get(kind)
    return last?.slow === true && last.hash === value[kind]?.hash && clock() - last.at < currentMs
  }

  const waitFor = async (loaded: Promise<void>, pointers: Pointers): Promise<void> => {
    const startedAt = clock()
    await withTimeLimit(loaded, waitMaxMs, () => new Fault('deadline_exceeded')).catch(() => {
      for (const kind of wantedOf(pointers)) miss(kind, pointers.value[kind]?.hash ?? '', startedAt)
    })
  }

  /** @throws Fault `unavailable` where a kind was published and none of its documents is held */
  const requireAll = ({ value }: Pointers) => {
    for (const kind of contentKinds)
      if (value[kind] && !holding[kind])
        throw new Fault('unavailable', { detail: `the published ${kind} cannot be had`, retryAfterMs: retryMs })
  }

  const current = (): Published => {
    published ??= {
      evaluator: createEvaluator(
        holding.flags?.prepared ?? prepareFlags(noDocuments.flags),
        holding['live-events']?.prepared ?? prepareLiveEvents(noDocuments['live-events']),
      ),
      numbers: {
        flags: holding.flags?.pointer.number ?? 0,
        'live-events': holding['live-events']?.pointer.number ?? 0,
      },
    }
    return published
  }

  return {
    get: async (exchange) => {
      const pointers = await readPointers(exchange)
      if (pointers === followed && published) return published
      const wanted = wantedOf(pointers)
      if (wanted.length > 0) {
        const loaded = fetchAll(wanted, pointers, exchange)
        // Of a kind that is published for the first time there is nothing to answer from meanwhile.
        const isHeld = wanted.every((kind) => holding[kind])
        const isCurrent = clock() - currentAt < currentMs
        if (isHeld && (isCurrent || wanted.every((kind) => isSlow(kind, pointers)))) exchange.defer(loaded)
        else await waitFor(loaded, pointers)
      }
      requireAll(pointers)
      if (wantedOf(pointers).length === 0) {
        followed = pointers
        currentAt = Math.max(currentAt, pointers.fetchedAt)
      }
      return current()
    },
  }
}

/** Whether a pointer is no newer than another one. */
const isOlder = (pointer: ContentPointer, held: ContentPointer | undefined): boolean =>
  held !== undefined && pointer.version <= held.version
