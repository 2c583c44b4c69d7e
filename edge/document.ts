import type * as z from 'zod'
import { type ContentPointers, contentPointersSchema } from '#contract/content.ts'
import type { Cell } from '#contract/ids.ts'
import {
  type Clients,
  clientsSchema,
  type Jwks,
  jwksSchema,
  type Revocations,
  revocationsSchema,
} from '#contract/platform.ts'
import { Fault } from '#contract/problem.ts'
import type { DocumentName } from '#contract/route.ts'
import type { Cells } from './cells.ts'
import type { AskCore } from './core.ts'
import type { DataCentre } from './data-centre.ts'
import { createFetchDocument, fetchBudgetMs } from './document-fetch.ts'
import type { Exchange } from './exchange.ts'
import { createFlights } from './flights.ts'
import type { LastGood } from './last-good.ts'

/** The documents that the cores publish, parsed, and the text of each. */
export type Documents = {
  /** That of `cell`; without one, what is the same in all of them, from the nearest that has it. */
  get<Name extends DocumentName>(name: Name, exchange: Exchange, cell?: Cell): Promise<Document<Name>>
  /** The same, but not older than its fresh life: for a token whose key is unknown. */
  getNewer<Name extends DocumentName>(name: Name, exchange: Exchange, cell: Cell): Promise<Document<Name>>
}

export type Document<Name extends DocumentName> = {
  readonly value: ValueOf[Name]
  readonly text: string
  /** When a core was asked for it, ms since 1970; long ago where nobody knows. */
  readonly fetchedAt: number
}

type ValueOf = { jwks: Jwks; clients: Clients; revocations: Revocations; content: ContentPointers }

const schemas: { [Name in DocumentName]: z.ZodType<ValueOf[Name]> } = {
  jwks: jwksSchema,
  clients: clientsSchema,
  revocations: revocationsSchema,
  content: contentPointersSchema,
}

/**
 * Younger than `freshMs` nobody asks for a newer one. Older than `waitMs` a request waits for the newer one, instead of letting
 * it be fetched behind its back.
 */
const lives: Record<DocumentName, { readonly freshMs: number; readonly waitMs: number }> = {
  // How long a new or a revoked key takes to be known.
  jwks: { freshMs: 10_000, waitMs: 20_000 },
  clients: { freshMs: 10_000, waitMs: 20_000 },
  // Half of what is promised of a ban. An isolate that was idle must not go by what it knew before.
  revocations: { freshMs: 5_000, waitMs: 5_000 },
  // Half of what is promised of a publish.
  content: { freshMs: 5_000, waitMs: 5_000 },
}
/** A last good document is kept in the data centre for this long, for isolates that start while the core is gone. */
const keptMs = 86_400_000
/** After a fetch that failed nobody tries again for this long, as long as there is a document to go on with. */
const retryMs = 1_000
/** Who joins another's load waits for data centre, two cores and the last tier. */
const waitMaxMs = 3 * fetchBudgetMs

/** Of a text from the last tier, and of whatever is held: older than anything that a core was asked for. */
const longAgo = 1

/** Which document: its name, and the cells that have it, in the order in which they are asked. */
type Source<Name extends DocumentName> = {
  readonly name: Name
  readonly cells: readonly Cell[]
  readonly key: string
}

/** What each cell says for itself; all else is the same in all of them. */
const isOfEachCell = (name: DocumentName): boolean => name === 'jwks' || name === 'revocations'

/**
 * What is kept in the last tier. Not the keys that tokens are verified with: whoever writes there could forge sessions. Nor what
 * was revoked: an old list would let those in who were banned since, and a token that it knows nothing of counts anyway.
 */
const outlivesCores = (name: DocumentName): boolean => name === 'clients' || name === 'content'

/**
 * Documents of this isolate: memory, then the data centre's cache, then a core, then what was kept for when all of these are
 * gone. The last good one serves for as long as no newer one can be had.
 */
export const createDocuments = ({
  askCore,
  cells,
  dataCentre,
  lastGood,
}: {
  readonly askCore: AskCore
  readonly cells: Cells
  readonly dataCentre: DataCentre
  readonly lastGood: LastGood
}): Documents => {
  const held = new Map<string, Document<DocumentName>>()
  const failedAt = new Map<string, number>()
  const fetchText = createFetchDocument(askCore)
  const loads = createFlights<Document<DocumentName>>({
    maxMs: waitMaxMs,
    onLate: () => new Fault('deadline_exceeded'),
    clock: Date.now,
  })

  /** Under the key of a document there are documents of its name alone. */
  const heldOf = <Name extends DocumentName>({ key }: Source<Name>) => held.get(key) as Document<Name> | undefined

  const load = async <Name extends DocumentName>(source: Source<Name>, exchange: Exchange): Promise<Document<Name>> => {
    const { name, key } = source
    const hold = (document: Document<Name>) => {
      held.set(key, document)
      return document
    }
    const kept = await readKept(dataCentre, source)
    if (kept && kept.fetchedAt + lives[name].freshMs > Date.now()) return hold(kept)
    try {
      const askedAt = Date.now()
      const text = await fetchText(source, exchange)
      const document = parse(name, text, askedAt)
      // What cannot be read is kept by nobody.
      exchange.defer(dataCentre.write(key, { text, at: askedAt }, keptMs).catch(() => {}))
      if (outlivesCores(name)) exchange.defer(lastGood.keep(key, text))
      return hold(document)
    } catch (error) {
      const failedBefore = Date.now() - (failedAt.get(key) ?? 0) < retryMs
      failedAt.set(key, Date.now())
      const known = heldOf(source)
      if (kept && (known?.fetchedAt ?? 0) < kept.fetchedAt) return hold(kept)
      const recalled = known || failedBefore || !outlivesCores(name) ? undefined : await recall(source, exchange)
      if (recalled) return hold(recalled)
      throw error
    }
  }

  /** What was kept for when there is nothing else; it stands in the data centre from then on, so that others need not ask. */
  const recall = async <Name extends DocumentName>(
    { name, key }: Source<Name>,
    exchange: Exchange,
  ): Promise<Document<Name> | undefined> => {
    const text = await lastGood.recall(key)
    if (text === undefined) return undefined
    try {
      const document = parse(name, text, longAgo)
      exchange.defer(dataCentre.write(key, { text, at: longAgo }, keptMs).catch(() => {}))
      return document
    } catch {
      return undefined
    }
  }

  const refresh = async <Name extends DocumentName>(
    source: Source<Name>,
    exchange: Exchange,
  ): Promise<Document<Name>> => {
    const { result } = loads.share(source.key, {
      demand: { floor: 0, since: 0 },
      load: () => load(source, exchange),
      keepAlive: (work) => exchange.defer(work.catch(() => {})),
    })
    return (await result) as Document<Name>
  }

  const getWithin = async <Name extends DocumentName>(
    source: Source<Name>,
    exchange: Exchange,
    acceptMs: number,
  ): Promise<Document<Name>> => {
    const known = heldOf(source)
    if (!known) return refresh(source, exchange)
    const age = Date.now() - known.fetchedAt
    if (age < lives[source.name].freshMs && age < acceptMs) return known
    const failedForMs = Date.now() - (failedAt.get(source.key) ?? 0)
    if (failedForMs < retryMs) return known
    const newer = refresh(source, exchange).catch(() => known)
    // A core that was away just now is asked again behind the request's back: nobody waits for it a second time.
    return age < acceptMs || failedForMs < lives[source.name].waitMs ? known : newer
  }

  const sources = new Map<Cell, Map<DocumentName, Source<DocumentName>>>()
  /** Under the key of the first cell: what is the same in all of them may come from another one. Each is made once. */
  const sourceOf = <Name extends DocumentName>(name: Name, first: Cell): Source<Name> => {
    const ofCell = sources.get(first) ?? new Map<DocumentName, Source<DocumentName>>()
    sources.set(first, ofCell)
    const other = cells.besides(first)
    const source = ofCell.get(name) ?? {
      name,
      cells: isOfEachCell(name) || !other ? [first] : [first, other],
      key: `documents/${name}/${first}`,
    }
    ofCell.set(name, source)
    return source as Source<Name>
  }
  return {
    get: (name, exchange, cell) =>
      getWithin(sourceOf(name, cell ?? cells.nearest(exchange)), exchange, lives[name].waitMs),
    getNewer: (name, exchange, cell) => getWithin(sourceOf(name, cell), exchange, lives[name].freshMs),
  }
}

const parse = <Name extends DocumentName>(name: Name, text: string, fetchedAt: number): Document<Name> => ({
  value: schemas[name].parse(JSON.parse(text)),
  text,
  fetchedAt,
})

const readKept = async <Name extends DocumentName>(
  dataCentre: DataCentre,
  { name, key }: Source<Name>,
): Promise<Document<Name> | undefined> => {
  try {
    const kept = await dataCentre.read(key)
    return kept && parse(name, kept.text, kept.at)
  } catch {
    return undefined
  }
}
