import { Fault } from '#contract/problem.ts'
import { fill, type Local } from '#contract/route.ts'
import type { Answer } from './answer.ts'
import type { Documents } from './document.ts'
import type { Routed } from './exchange.ts'

/** How long a client may go on without asking: for a document, what other edges take to hear of a new one too. */
const documentMaxAge = 'public, max-age=10'
const assetMaxAge = 'public, max-age=300'

/** Answers routes that the edge serves alone: a document of the core, or a file of the deployment. @throws Fault `not_found` */
export const createAnswerLocal =
  ({ documents, assets }: { readonly documents: Documents; readonly assets: Fetcher }) =>
  async (exchange: Routed, delivery: Local): Promise<Answer> => {
    if ('document' in delivery) {
      const { text } = await documents.get(delivery.document, exchange)
      const headers = { 'content-type': 'application/json', 'cache-control': documentMaxAge }
      return { status: 200, headers, body: text }
    }
    const url = new URL(fill(delivery.asset, exchange.params), exchange.request.url)
    const response = await assets.fetch(new Request(url))
    if (!response.ok) throw new Fault('not_found')
    const headers = { ...Object.fromEntries(response.headers), 'cache-control': assetMaxAge }
    return { status: response.status, headers, body: response.body }
  }
