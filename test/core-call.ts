import { createHmac, randomUUID } from 'node:crypto'
import {
  type EdgePrincipal,
  edgeHeaders,
  encodePrincipal,
  encodeSignature,
  parseNamedKeys,
  signedBytes,
} from '#contract/edge-request.ts'

/** A request to a core, as an edge has it in hand. */
export type CoreCall = {
  readonly method: string
  readonly path: string
  readonly principal: EdgePrincipal
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** When it is signed; now, if absent. */
  readonly signedAt?: number
}

/** The headers of a request to the core, as an edge that has `edgeKeys` signs it. */
export const signCoreCall = (call: CoreCall, edgeKeys: string, signedAt: number): Headers => {
  const [key] = parseNamedKeys(edgeKeys)
  const headers = new Headers({
    [edgeHeaders.principal]: encodePrincipal(call.principal),
    [edgeHeaders.cell]: 'eu1',
    [edgeHeaders.deadline]: '5000',
    'x-request-id': randomUUID(),
    ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
    ...call.headers,
  })
  const parts = { method: call.method, target: call.path, signedAt, header: (name: string) => headers.get(name) }
  const bytes = signedBytes(parts, new TextEncoder().encode(call.body ?? ''))
  const mac = createHmac('sha256', key.secret).update(bytes).digest('hex')
  headers.set(edgeHeaders.signature, encodeSignature({ keyId: key.keyId, signedAt, mac }))
  return headers
}
