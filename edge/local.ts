import { Fault } from '#contract/problem.ts'
import { type Evaluated, fill, type Local } from '#contract/route.ts'
import type { Answer } from './answer.ts'
import { answerLiveEvents } from './calendar.ts'
import type { Cells } from './cells.ts'
import type { Content } from './content.ts'
import type { Documents } from './document.ts'
import type { Routed } from './exchange.ts'
import { answerAllFlags, answerFlag } from './ofrep.ts'

/** How long a client may go on without asking: for a document, what other edges take to hear of a new one too. */
const documentMaxAge = 'public, max-age=10'
const assetMaxAge = 'public, max-age=300'

const evaluations: Readonly<Record<Evaluated, (exchange: Routed, content: Content) => Promise<Answer>>> = {
  flags: answerAllFlags,
  flag: answerFlag,
  'live-events': answerLiveEvents,
}

/**
 * Answers routes that the edge serves alone: documents of the cores, a file of the deployment, or what the published documents
 * say of whoever asks. @throws Fault `not_found`, and as the evaluations do
 */
export const createAnswerLocal =
  ({
    documents,
    cells,
    content,
    assets,
  }: {
    readonly documents: Documents
    readonly cells: Pick<Cells, 'names'>
    readonly content: Content
    readonly assets: Fetcher
  }) =>
  async (exchange: Routed, delivery: Local): Promise<Answer> => {
    if ('document' in delivery) {
      const all = await Promise.all(cells.names.map((cell) => documents.get(delivery.document, exchange, cell)))
      const headers = { 'content-type': 'application/json', 'cache-control': documentMaxAge }
      return { status: 200, headers, body: JSON.stringify({ keys: all.flatMap(({ value }) => value.keys) }) }
    }
    if ('evaluates' in delivery) return evaluations[delivery.evaluates](exchange, content)
    const url = new URL(fill(delivery.asset, exchange.params), exchange.request.url)
    const response = await assets.fetch(new Request(url))
    if (!response.ok) throw new Fault('not_found')
    const headers = { ...Object.fromEntries(response.headers), 'cache-control': assetMaxAge }
    return { status: response.status, headers, body: response.body }
  }
