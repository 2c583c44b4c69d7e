import type { ContentKind } from '#contract/content.ts'
import { type Calendar, prepareLiveEvents } from '#contract/evaluate/calendar.ts'
import { type Documents, noDocuments, readCompiled } from '#contract/evaluate/compiled.ts'
import { createEvaluator, type Evaluator } from '#contract/evaluate/evaluator.ts'
import { type Flags, prepareFlags } from '#contract/evaluate/flags.ts'
import type { Db } from '#db/client.ts'
import { findLive, listLive } from '#db/content.ts'
import { heard } from '#db/heard.ts'
import type { Log } from '#infra/log.ts'

/** What is live in this cell, made ready. The same object until something else is published. */
export type Live = {
  readonly flags: Flags
  readonly calendar: Calendar
  readonly evaluator: Evaluator
  /** Of the documents; null where nothing was published. */
  readonly numbers: Readonly<Record<ContentKind, number | null>>
}

/**
 * What is live, as it was `ageMaxMs` ago at the latest, a second if absent. All who ask at once share one look. While the
 * database is away, or has what this core cannot read, it is what it last was.
 * @throws what the first look threw, until one succeeds
 */
export type LiveContent = (ageMaxMs?: number) => Promise<Live>

/** A look costs a query of two rows: one a second is nothing, and what is published holds here before edges have heard of it. */
const ageMaxDefaultMs = 1_000
/** What a look may cost the request that waits for it; a document of the greatest size is read and made ready in half of that. */
const lookMaxMs = 1_000

export const createLiveContent = ({
  db,
  log,
  clock,
}: {
  readonly db: Db
  readonly log: Log
  readonly clock: () => number
}): LiveContent => {
  let held: Held = nothingHeld
  let live: Live | undefined
  let lookedAt = Number.NEGATIVE_INFINITY
  let looking: Promise<Live> | undefined

  const look = async (): Promise<Live> => {
    const next = await heard(readAnew(db, held), lookMaxMs)
    if (!live || next !== held) live = liveOf(next)
    held = next
    return live
  }
  const lookOrKeep = async (): Promise<Live> => {
    const startedAt = clock()
    try {
      return await look()
    } catch (error) {
      if (!live) throw error
      log.error('what is live could not be read; what it was stays', error)
      return live
    } finally {
      lookedAt = startedAt
      looking = undefined
    }
  }
  return async (ageMaxMs = ageMaxDefaultMs) => {
    // A look that began before this was asked may have missed what was published in between.
    if (ageMaxMs === 0) await looking
    const ageMs = clock() - lookedAt
    if (live && ageMs >= 0 && ageMs < ageMaxMs) return live
    looking ??= lookOrKeep()
    return looking
  }
}

type HeldOf<Ready> = { readonly hash: string | undefined; readonly number: number | null; readonly ready: Ready }
type Held = { readonly flags: HeldOf<Flags>; readonly 'live-events': HeldOf<Calendar> }

const prepare = { flags: prepareFlags, 'live-events': prepareLiveEvents }

const nothingHeld: Held = {
  flags: { hash: undefined, number: null, ready: prepareFlags(noDocuments.flags) },
  'live-events': { hash: undefined, number: null, ready: prepareLiveEvents(noDocuments['live-events']) },
}

/** What is live now; `held` itself where that is it. A text is read where its hash is another. */
const readAnew = async (db: Db, held: Held): Promise<Held> => {
  const heads = new Map((await listLive(db)).map((head) => [head.kind, head]))
  const read = async <Kind extends ContentKind>(
    kind: Kind,
    known: Held[Kind],
    make: (document: Documents[Kind]) => Held[Kind]['ready'],
  ): Promise<Held[Kind]> => {
    const head = heads.get(kind)
    if (!head || head.number === known.number) return known
    if (head.hash === known.hash) return { ...known, number: head.number }
    // The row that there is now: what the head named may have been followed by another since.
    const row = await findLive(db, kind)
    if (!row) return known
    return { hash: row.hash, number: row.number, ready: make(readCompiled<Kind>(row.compiled)) } as Held[Kind]
  }
  const flags = await read('flags', held.flags, prepare.flags)
  const events = await read('live-events', held['live-events'], prepare['live-events'])
  return flags === held.flags && events === held['live-events'] ? held : { flags, 'live-events': events }
}

const liveOf = ({ flags, 'live-events': events }: Held): Live => ({
  flags: flags.ready,
  calendar: events.ready,
  evaluator: createEvaluator(flags.ready, events.ready),
  numbers: { flags: flags.number, 'live-events': events.number },
})
