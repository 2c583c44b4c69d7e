import { edgeHeaders, parseMoved } from '#contract/edge-request.ts'
import { idempotencyKeyOf } from '#contract/idempotency.ts'
import type { Cell } from '#contract/ids.ts'
import { Fault, problemSchema } from '#contract/problem.ts'
import type { Answer } from './answer.ts'
import type { Cells } from './cells.ts'
import type { Consistency } from './consistency.ts'
import type { AskCore, CoreAnswer, CoreRequest } from './core.ts'
import { type Routed, readBody } from './exchange.ts'

/** How long a caller waits, milliseconds: long enough for a write behind others, short enough to be retried by a person. */
const budgetMs = { direct: 2_000, forwarded: 5_000 }

/** What of a core's answer a client gets to see. */
const passedHeaders = ['content-type', 'retry-after', 'idempotency-replayed']

/**
 * Hands a request to the core of the right cell, and its answer back. A cell that says another one owns this is believed
 * once. A write's answer carries the token by which its caller reads it.
 */
export const createForward =
  ({
    cells,
    askCore,
    consistency,
  }: {
    readonly cells: Cells
    readonly askCore: AskCore
    readonly consistency: Consistency
  }) =>
  async (exchange: Routed): Promise<Answer> => {
    const { route, path, search } = exchange
    const writes = route.delivery.kind === 'forwarded'
    const header = (name: string) => exchange.headers.get(name)
    const coreRequest: CoreRequest = {
      cell: cells.choose(exchange),
      method: route.method,
      target: path + (route.query ? search : ''),
      headers: {
        ...(['server', 'operator'].includes(route.access) ? { authorization: header('authorization') } : {}),
        ...(route.body ? { 'content-type': asciiOf(header('content-type')) } : {}),
        [edgeHeaders.address]: header('cf-connecting-ip'),
        'idempotency-key': idempotencyKeyOf(route, header('idempotency-key'), () => crypto.randomUUID()),
      },
      ...(route.body ? { body: await readBody(exchange) } : {}),
      deadlineAt: exchange.arrivedAt + budgetMs[writes ? 'forwarded' : 'direct'],
    }
    const ask: Ask = async (cell) => ({ cell, answer: await askCore(exchange, { ...coreRequest, cell }) })
    const first = await ask(coreRequest.cell).catch((error: unknown) => {
      const other = route.cell === 'nearest' && isUnavailable(error) ? cells.besides(coreRequest.cell) : undefined
      if (!other) throw error
      return ask(other)
    })
    const answer = await hopOnce(cells, first, ask)
    const headers: Answer['headers'] = { 'cache-control': 'no-store' }
    for (const name of passedHeaders) {
      const value = answer.headers.get(name)
      if (value !== null) headers[name] = value
    }
    const moved = parseMoved(answer.headers.get(edgeHeaders.moved) ?? '')
    if (moved.length > 0) headers['perigee-consistency'] = await consistency.issue(exchange, moved)
    return { status: answer.status, headers, body: answer.text }
  }

/** Beyond ASCII a header may arrive as other bytes than were signed; what it says does not matter then, only that it is wrong. */
const asciiOf = (value: string | undefined) => value?.replace(/[^\x20-\x7e]/g, '?')

/** The cell was not reached, so another one may do what any can. */
const isUnavailable = (error: unknown) => error instanceof Fault && error.code === 'unavailable'

type Asked = { readonly cell: Cell; readonly answer: CoreAnswer }
type Ask = (cell: Cell) => Promise<Asked>

const hopOnce = async (cells: Cells, { cell, answer }: Asked, ask: Ask): Promise<CoreAnswer> => {
  if (answer.status !== 421) return answer
  const problem = problemSchema.parse(JSON.parse(answer.text))
  const owner = cells.find(String(problem.cell))
  return owner === undefined || owner === cell ? answer : (await ask(owner)).answer
}
