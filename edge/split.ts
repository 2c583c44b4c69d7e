import { edgeHeaders } from '#contract/edge-request.ts'
import { errors, isErrorCode } from '#contract/errors.ts'
import { type Cell, cellOf, type PlayerId } from '#contract/ids.ts'
import { parseJson, parsePart } from '#contract/input.ts'
import { Fault, problemSchema } from '#contract/problem.ts'
import type { Route, SplitRoute } from '#contract/route.ts'
import { failedItemText, refusedItemText } from '#contract/split.ts'
import type { Log } from '#infra/log.ts'
import type { Cells } from './cells.ts'
import type { CoreAnswer, CoreRequest } from './core-call.ts'
import type { Exchange } from './exchange.ts'

/** A request that is not addressed to a cell yet. */
export type Unaddressed = Omit<CoreRequest, 'cell'>

export type SplitOptions = {
  readonly exchange: Exchange
  readonly route: SplitRoute
  readonly cells: Cells
  /** Asks a cell's core. @throws Fault `overloaded`, `unavailable`, `deadline_exceeded` */
  readonly ask: (request: CoreRequest) => Promise<CoreAnswer>
  readonly log: Log
}

/** Cells that are asked at once: Workers let no more than six subrequests of a request wait. */
const cellsAtOnceMax = 6

type Body = Readonly<Record<string, unknown>>
type Item = { readonly playerId: PlayerId }
type Placed = { readonly item: Item; readonly place: number }

/** The items whose players live in one cell, in their order. */
type Part = { readonly cell: Cell; readonly placed: readonly Placed[] }

/** What a cell did with its part: a result an item, or nothing at all. */
type Outcome = { readonly part: Part } & (
  | { readonly kind: 'done'; readonly answer: CoreAnswer; readonly results: readonly unknown[] }
  | { readonly kind: 'refused'; readonly refusal: CoreAnswer | Fault }
)

export const isSplit = (route: Route): route is SplitRoute => route.split !== undefined

/**
 * Sends each cell the items of its players, and answers as one core would that had them all: results in the order of the
 * items. Each part goes under the caller's own key, for claims never leave their cell. What keeps a cell from doing its part is
 * told of its items only, unless all cells say the same; an item of a cell that does not exist is `not_found`. A body whose
 * items all live in one cell goes there as it is.
 *
 * @throws Fault `unsupported_media_type`, `malformed_json` and `invalid_request` as a core would; `not_found` when no item has
 * a cell; what asking the cells throws, when it is the same for all
 * @see docs/decisions/0017-a-batch-is-many-writes.md
 */
export const askInParts = async (options: SplitOptions, request: Unaddressed): Promise<CoreAnswer> => {
  const { route, cells, ask } = options
  const body = bodyOf(route, request)
  const items = itemsOf(route, body)
  const parts = partsOf(items, cells)
  const [only] = parts
  if (!only) throw new Fault('not_found')
  if (only.placed.length === items.length) return ask({ ...request, cell: only.cell })
  const outcomes = await inTurns(parts, (part) => askPart(options, { request, body, part }))
  // Several were asked: the log names none.
  options.exchange.cell = undefined
  return commonRefusal(outcomes) ?? merged(options, items, outcomes)
}

const bodyOf = (route: SplitRoute, { body = new Uint8Array(), headers }: Unaddressed): Body => {
  const value = parseJson(body, headers?.['content-type'])
  parsePart(route.body, value, 'body')
  // As it was sent, not as it was parsed: what a cell gets, and takes the fingerprint of, is the same after a release of the edge.
  return value as Body
}

/** The schema has passed the body, and the route does not compile unless its items name players. */
const itemsOf = ({ split }: SplitRoute, body: Body) => body[split.items] as readonly Item[]

const partsOf = (items: readonly Item[], cells: Cells): Part[] => {
  const placed = items.map((item, place) => ({ item, place }))
  const byCell = Map.groupBy(placed, ({ item }) => cells.find(cellOf(item.playerId)))
  return [...byCell].flatMap(([cell, own]) => (cell === undefined ? [] : [{ cell, placed: own }]))
}

const askPart = async (
  { route, ask, log, exchange }: SplitOptions,
  { request, body, part }: { readonly request: Unaddressed; readonly body: Body; readonly part: Part },
): Promise<Outcome> => {
  const { cell, placed } = part
  const own = JSON.stringify({ ...body, [route.split.items]: placed.map(({ item }) => item) })
  try {
    const answer = await ask({ ...request, cell, body: new TextEncoder().encode(own) })
    if (answer.status >= 400) return { part, kind: 'refused', refusal: answer }
    const results: unknown = JSON.parse(answer.text)[route.split.results]
    if (!Array.isArray(results) || results.length !== placed.length)
      throw new Fault('unavailable', { cause: new Error('the core left items without a result') })
    return { part, kind: 'done', answer, results }
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    log.error('a part of a request failed', error, { requestId: exchange.requestId, route: route.path, cell })
    return { part, kind: 'refused', refusal: error }
  }
}

/** Works on all, a few at a time, and answers in their order. */
const inTurns = async <Value, Result>(
  values: readonly Value[],
  work: (value: Value) => Promise<Result>,
): Promise<Result[]> => {
  const results: Result[] = []
  const queue = values.entries()
  const worker = async () => {
    for (const [at, value] of queue) results[at] = await work(value)
  }
  await Promise.all(Array.from({ length: cellsAtOnceMax }, worker))
  return results
}

/** What all cells say, when none did its part and they agree on why. @throws that, where it is a Fault */
const commonRefusal = (outcomes: readonly Outcome[]): CoreAnswer | undefined => {
  const refusals = outcomes.flatMap((outcome) => (outcome.kind === 'refused' ? [outcome.refusal] : []))
  const [first] = refusals
  if (!first || refusals.length < outcomes.length || new Set(refusals.map(codeOf)).size > 1) return undefined
  if (first instanceof Fault) throw first
  return first
}

const codeOf = (refusal: CoreAnswer | Fault): string =>
  refusal instanceof Fault ? refusal.code : problemSchema.parse(JSON.parse(refusal.text)).code

const merged = (
  { exchange, route }: SplitOptions,
  items: readonly Item[],
  outcomes: readonly Outcome[],
): CoreAnswer => {
  const { requestId } = exchange
  const texts = items.map(({ playerId }) => failedItemText(playerId, new Fault('not_found'), requestId))
  for (const outcome of outcomes)
    for (const [at, { item, place }] of outcome.part.placed.entries())
      texts[place] =
        outcome.kind === 'done'
          ? JSON.stringify(outcome.results[at])
          : refusedText(item.playerId, outcome.refusal, requestId)
  const answers = outcomes.flatMap((outcome) => (outcome.kind === 'done' ? [outcome.answer] : []))
  const headers = new Headers({ 'content-type': 'application/json' })
  const valuesOf = (name: string) => answers.flatMap((answer) => answer.headers.get(name) ?? [])
  const moved = valuesOf(edgeHeaders.moved)
  if (moved.length > 0) headers.set(edgeHeaders.moved, moved.join())
  if (valuesOf('idempotency-replayed').length === outcomes.length) headers.set('idempotency-replayed', 'true')
  return { status: route.status, headers, text: `{"${route.split.results}":[${texts.join()}]}` }
}

const refusedText = (playerId: PlayerId, refusal: CoreAnswer | Fault, requestId: string): string => {
  if (refusal instanceof Fault) return failedItemText(playerId, refusal, requestId)
  const code = codeOf(refusal)
  const retryable = isErrorCode(code) ? errors[code].retryable : refusal.status >= 500
  return refusedItemText(playerId, { retryable, problem: refusal.text })
}
