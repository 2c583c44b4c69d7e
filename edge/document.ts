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
import type { Exchange } from './exchange.ts'
import { createFlights } from './flights.ts'

/** The documents that the cores publish, parsed, and the text of each. */
export type Documents = {
  /** That of `cell`; without one, what is the same in all of them, from the nearest that has it. */
  get<Name extends DocumentName>(name: Name, exchange: Exchange, cell?: Cell): Promise<Document<Name>>
  /** The same, but not older than its fresh life: for a token whose key is unknown. */
  getNewer<Name extends DocumentName>(name: Name, exchange: Exchange, cell: Cell): Promise<Document<Name>>
}

export type Document<Name extends DocumentName> = { readonly value: ValueOf[Name]; readonly text: string }

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
const fetchBudgetMs = 2_000
/** Who joins another's load waits for data centre and core. */
const waitMaxMs = 2 * fetchBudgetMs

type Held<Name extends DocumentName> = Document<Name> & { readonly fetchedAt: number }

/** Which document: its name, and whose it is. */
type Source<Name extends DocumentName> = { readonly name: Name; readonly cell: Cell; readonly key: string }

/**
 * Documents of this isolate: memory, then the data centre's cache, then a core. The last good one serves for as long as no
 * newer one can be had.
 */
export const createDocuments = ({
  askCore,
  cells,
  dataCentre,
}: {
  readonly askCore: AskCore
  readonly cells: Cells
  readonly dataCentre: DataCentre
}): Documents => {
  const held = new Map<string, Held<DocumentName>>()
  const failedAt = new Map<string, number>()
  const loads = createFlights<Held<DocumentName>>({ maxMs: waitMaxMs, onLate: () => new Fault('deadline_exceeded') })

  /** Under the key of a document there are documents of its name alone. */
  const heldOf = <Name extends DocumentName>({ key }: Source<Name>) => held.get(key) as Held<Name> | undefined

  const load = async <Name extends DocumentName>(source: Source<Name>, exchange: Exchange): Promise<Held<Name>> => {
    const { name, key } = source
    const hold = (document: Held<Name>) => {
      held.set(key, document)
      return document
    }
    const kept = await readKept(dataCentre, source)
    if (kept && kept.fetchedAt + lives[name].freshMs > Date.now()) return hold(kept)
    try {
      const askedAt = Date.now()
      const text = await fetchDocument(askCore, exchange, source)
      exchange.defer(dataCentre.write(key, { text, at: askedAt }, keptMs).catch(() => {}))
      return hold(parse(name, text, askedAt))
    } catch (error) {
      failedAt.set(key, Date.now())
      if (kept && (heldOf(source)?.fetchedAt ?? 0) < kept.fetchedAt) return hold(kept)
      throw error
    }
  }

  const refresh = async <Name extends DocumentName>(source: Source<Name>, exchange: Exchange): Promise<Held<Name>> => {
    const { result } = loads.share(source.key, {
      demand: { floor: 0, since: 0 },
      load: () => load(source, exchange),
      keepAlive: (work) => exchange.defer(work.catch(() => {})),
    })
    return (await result) as Held<Name>
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

  const sourceOf = <Name extends DocumentName>(name: Name, cell: Cell): Source<Name> => ({
    name,
    cell,
    key: `documents/${name}/${cell}`,
  })
  return {
    get: async (name, exchange, cell) => {
      const getFrom = (from: Cell) => getWithin(sourceOf(name, from), exchange, lives[name].waitMs)
      if (cell) return getFrom(cell)
      const nearest = cells.nearest(exchange)
      return getFrom(nearest).catch((error: unknown) => {
        const other = cells.besides(nearest)
        if (!other) throw error
        return getFrom(other)
      })
    },
    getNewer: (name, exchange, cell) => getWithin(sourceOf(name, cell), exchange, lives[name].freshMs),
  }
}

const fetchDocument = async (
  askCore: AskCore,
  exchange: Exchange,
  { name, cell }: Source<DocumentName>,
): Promise<string> => {
  // Asked for by the edge itself, not by the caller whose request happened to need it.
  const asEdge: Exchange = { ...exchange, principal: { kind: 'public' } }
  const answer = await askCore(asEdge, {
    cell,
    method: 'GET',
    target: `/internal/documents/${name}`,
    deadlineAt: Date.now() + fetchBudgetMs,
  })
  if (answer.status !== 200) {
    throw new Fault('unavailable', { cause: new Error(`the document ${name} was answered with ${answer.status}`) })
  }
  return answer.text
}

const parse = <Name extends DocumentName>(name: Name, text: string, fetchedAt: number): Held<Name> => ({
  value: schemas[name].parse(JSON.parse(text)),
  text,
  fetchedAt,
})

const readKept = async <Name extends DocumentName>(
  dataCentre: DataCentre,
  { name, key }: Source<Name>,
): Promise<Held<Name> | undefined> => {
  try {
    const kept = await dataCentre.read(key)
    return kept && parse(name, kept.text, kept.at)
  } catch {
    return undefined
  }
}
