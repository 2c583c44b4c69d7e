import type * as z from 'zod'
import { type Clients, clientsSchema, type Jwks, jwksSchema } from '#contract/platform.ts'
import { Fault } from '#contract/problem.ts'
import type { DocumentName } from '#contract/route.ts'
import type { Cells } from './cells.ts'
import type { AskCore } from './core.ts'
import type { DataCentre } from './data-centre.ts'
import type { Exchange } from './exchange.ts'
import { createFlights } from './flights.ts'

/** The documents that the core publishes, parsed, and the text of each. */
export type Documents = {
  get<Name extends DocumentName>(name: Name, exchange: Exchange): Promise<Document<Name>>
  /** The same, but not older than a few seconds: for a token whose key is unknown. */
  getNewer<Name extends DocumentName>(name: Name, exchange: Exchange): Promise<Document<Name>>
}

export type Document<Name extends DocumentName> = { readonly value: ValueOf[Name]; readonly text: string }

type ValueOf = { jwks: Jwks; clients: Clients }

const schemas: { [Name in DocumentName]: z.ZodType<ValueOf[Name]> } = { jwks: jwksSchema, clients: clientsSchema }

/** Younger than this nobody asks for a newer one: how long a new or a revoked key takes to be known. */
const freshMs = 10_000
/** Older than this a request waits for the newer one, instead of letting it be fetched behind its back. */
const waitMs = 20_000
/** A last good document is kept in the data centre for this long, for isolates that start while the core is gone. */
const keptMs = 86_400_000
/** After a fetch that failed nobody tries again for this long, as long as there is a document to go on with. */
const retryMs = 1_000
const fetchBudgetMs = 2_000
/** Who joins another's load waits for data centre and core. */
const waitMaxMs = 2 * fetchBudgetMs

type Held<Name extends DocumentName> = Document<Name> & { readonly fetchedAt: number }

/**
 * Documents of this isolate: memory, then the data centre's cache, then the nearest core. The last good one serves for as
 * long as no newer one can be had.
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
  const held: { [Name in DocumentName]?: Held<Name> } = {}
  const failedAt: { [Name in DocumentName]?: number } = {}
  const loads = createFlights<Held<DocumentName>>({ maxMs: waitMaxMs, onLate: () => new Fault('deadline_exceeded') })

  const hold = <Name extends DocumentName>(name: Name, document: Held<Name>): Held<Name> => {
    // Indexed by its own name, the mapped type takes and gives the document of that name.
    Object.assign(held, { [name]: document })
    return document
  }

  const load = async <Name extends DocumentName>(name: Name, exchange: Exchange): Promise<Held<Name>> => {
    const kept = await readKept(dataCentre, name)
    if (kept && kept.fetchedAt + freshMs > Date.now()) return hold(name, kept)
    try {
      const text = await fetchDocument(askCore, cells, { exchange, name })
      const document = hold(name, parse(name, text, Date.now()))
      const { text: kept, fetchedAt: at } = document
      exchange.defer(dataCentre.write(keptName(name), { text: kept, at }, keptMs).catch(() => {}))
      return document
    } catch (error) {
      failedAt[name] = Date.now()
      if (kept && (held[name]?.fetchedAt ?? 0) < kept.fetchedAt) return hold(name, kept)
      throw error
    }
  }

  const refresh = async <Name extends DocumentName>(name: Name, exchange: Exchange): Promise<Held<Name>> => {
    const { result } = loads.share(name, {
      demand: { floor: 0, since: 0 },
      load: () => load(name, exchange),
      keepAlive: (work) => exchange.defer(work.catch(() => {})),
    })
    // Under a document's own name there are loads of that document alone.
    return (await result) as Held<Name>
  }

  const getWithin = async <Name extends DocumentName>(
    name: Name,
    exchange: Exchange,
    acceptMs: number,
  ): Promise<Document<Name>> => {
    const known = held[name] as Held<Name> | undefined
    if (!known) return refresh(name, exchange)
    const age = Date.now() - known.fetchedAt
    if (age < freshMs && age < acceptMs) return known
    if (Date.now() - (failedAt[name] ?? 0) < retryMs) return known
    const newer = refresh(name, exchange).catch(() => known)
    return age < acceptMs ? known : newer
  }

  return {
    get: (name, exchange) => getWithin(name, exchange, waitMs),
    getNewer: (name, exchange) => getWithin(name, exchange, freshMs),
  }
}

const fetchDocument = async (
  askCore: AskCore,
  cells: Cells,
  { exchange, name }: { exchange: Exchange; name: DocumentName },
): Promise<string> => {
  const deadlineAt = Date.now() + fetchBudgetMs
  // Asked for by the edge itself, not by the caller whose request happened to need it.
  const asEdge: Exchange = { ...exchange, principal: { kind: 'public' } }
  const answer = await askCore(asEdge, {
    cell: cells.nearest(exchange),
    method: 'GET',
    target: `/internal/documents/${name}`,
    deadlineAt,
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

const keptName = (name: DocumentName) => `documents/${name}`

const readKept = async <Name extends DocumentName>(
  dataCentre: DataCentre,
  name: Name,
): Promise<Held<Name> | undefined> => {
  try {
    const kept = await dataCentre.read(keptName(name))
    return kept && parse(name, kept.text, kept.at)
  } catch {
    return undefined
  }
}
