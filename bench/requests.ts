import { createHmac, randomBytes, randomUUID } from 'node:crypto'
import {
  type EdgePrincipal,
  edgeHeaders,
  encodePrincipal,
  encodeSignature,
  type NamedKey,
  signedBytes,
} from '#contract/edge-request.ts'

/** A request to a core, as the edge would make it. */
export type Call = {
  readonly method: string
  readonly path: string
  readonly principal: EdgePrincipal
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export type Signing = { readonly key: NamedKey; readonly cell: string }

/** The bytes of a request, signed for `signedAt` (ms since 1970); a core takes them for 30 s before and after it. */
export const requestBytes = (call: Call, { key, cell }: Signing, signedAt: number): Buffer => {
  const headers: Record<string, string> = {
    [edgeHeaders.principal]: encodePrincipal(call.principal),
    [edgeHeaders.cell]: cell,
    [edgeHeaders.deadline]: '5000',
    'x-request-id': randomUUID(),
    traceparent: newTraceparent(),
    ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
    ...call.headers,
  }
  const body = Buffer.from(call.body ?? '')
  const parts = { method: call.method, target: call.path, signedAt, header: (name: string) => headers[name] }
  const mac = createHmac('sha256', key.secret).update(signedBytes(parts, body)).digest('hex')
  headers[edgeHeaders.signature] = encodeSignature({ keyId: key.keyId, signedAt, mac })
  return httpBytes({ method: call.method, path: call.path, headers, body })
}

/** What an edge samples where nobody has told it otherwise. */
const sampledShare = 0.01

const newTraceparent = () => {
  const flags = Math.random() < sampledShare ? '01' : '00'
  return `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-${flags}`
}

/** An HTTP/1.1 request whose connection stays open. */
export const httpBytes = (request: {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}): Buffer => {
  const { method, path, headers, body } = request
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const length = body.length > 0 ? `content-length: ${body.length}\r\n` : ''
  return Buffer.concat([
    Buffer.from(`${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${lines.join('')}${length}\r\n`),
    body,
  ])
}
