import * as z from 'zod'
import { edgeHeaders, parsePrincipal } from '#contract/edge-request.ts'
import { parseJson } from '#contract/input.ts'
import { Fault } from '#contract/problem.ts'
import { directoryQuestionSchema } from '#contract/replication.ts'
import { findCompiled } from '#db/content.ts'
import type { BusMessage } from '#infra/event-bus.ts'
import { answerDirectory, type DirectoryOptions, directoryPath } from './directory.ts'
import { documents, isDocumentName } from './document.ts'
import type { Origin } from './peers.ts'
import type { RawRequest } from './request.ts'

/** Where between cells messages go, on a machine without Pub/Sub. */
export const replicationPath = '/internal/replication'

/** A published document on its way to another cell, in JSON in base64 in JSON. */
export const internalBytesMax = 16 * 1_024 * 1_024

/** An address that edges and other cells ask, with a signature, and nobody else. */
export type InternalRoute = {
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** What it answers as JSON. Its request has a good signature. */
  readonly answer: (request: RawRequest, origin: Origin) => Promise<unknown>
}

const messageSchema = z.strictObject({
  orderingKey: z.string(),
  attributes: z.record(z.string(), z.string()),
  data: z.base64(),
})

export const encodeMessage = ({ orderingKey, attributes, data }: BusMessage): z.infer<typeof messageSchema> => ({
  orderingKey,
  attributes,
  data: Buffer.from(data).toString('base64'),
})

/** The documents for edges, the directory for cells, and the way in for what the control cell tells them. */
export const internalRoutes = (
  options: DirectoryOptions & { readonly follow: (message: BusMessage) => Promise<void> },
): InternalRoute[] => [
  {
    method: 'GET',
    path: '/internal/documents/{name}',
    answer: async ({ params: { name = '' } }, { now, deadlineAt }) => {
      if (!isDocumentName(name)) throw new Fault('not_found')
      return documents[name](options.database.until(deadlineAt), now)
    },
  },
  {
    method: 'GET',
    path: '/internal/content/{hash}',
    answer: async ({ params: { hash = '' } }, { deadlineAt }) => {
      const compiled = await findCompiled(options.database.until(deadlineAt), hash)
      if (compiled === undefined) throw new Fault('not_found')
      return { compiled }
    },
  },
  {
    method: 'POST',
    path: directoryPath,
    answer: async (request, origin) => {
      requireCell(request)
      return answerDirectory(options, parse(directoryQuestionSchema, request), origin)
    },
  },
  {
    method: 'POST',
    path: replicationPath,
    answer: async (request) => {
      requireCell(request)
      const { data, ...message } = parse(messageSchema, request)
      await options.follow({ ...message, data: Buffer.from(data, 'base64') })
      return {}
    },
  },
]

/** @throws Fault `unauthenticated` for whoever is no cell */
const requireCell = ({ header }: RawRequest): void => {
  if (parsePrincipal(header(edgeHeaders.principal) ?? '')?.kind !== 'cell')
    throw new Fault('unauthenticated', { detail: 'for cells only' })
}

const parse = <Value>(schema: z.ZodType<Value>, request: RawRequest): Value => {
  const result = schema.safeParse(parseJson(request.body, request.header('content-type'), internalBytesMax))
  if (!result.success) throw new Fault('invalid_request', { cause: result.error })
  return result.data
}
