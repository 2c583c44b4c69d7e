import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { edgeHeaders, targetOfWire } from '#contract/edge-request.ts'
import { Fault, problemContentType, problemText } from '#contract/problem.ts'
import { freePort } from '#infra/local/ports.ts'

/** What stands between edges and a core: it counts, and can be away in the two ways in which a core is. */
export type CoreProxy = {
  readonly url: string
  /** Requests that came in for this very path. */
  requestsOf(path: string): number
  /** By how much the core's reads are said to be older than they are, ms: entries that expire sooner. */
  ageMs: number
  /** How long the core takes longer than it does, ms. */
  delayMs: number
  /**
   * `refusing`: nobody listens. `silent`: it takes connections and requests, and never answers one. `overloaded`: it answers that to
   * all but what the edge asks for itself, and to come back in seven seconds.
   */
  be(how: 'passing' | 'refusing' | 'silent' | 'overloaded'): Promise<void>
  stop(): Promise<void>
}

/** What belongs to one connection, or follows from the body. */
const ofConnection = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'keep-alive'])

export const startCoreProxy = async (coreUrl: string): Promise<CoreProxy> => {
  const counts = new Map<string, number>()
  const port = await freePort()
  let how: Parameters<CoreProxy['be']>[0] = 'refusing'

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = targetOfWire(request.url ?? '')
    counts.set(path, (counts.get(path) ?? 0) + 1)
    if (how === 'silent') return
    if (how === 'overloaded' && !path.startsWith('/internal/')) return refuse(request, response)
    if (proxy.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, proxy.delayMs))
    const { status, headers, body } = await pass(coreUrl, request)
    const readAt = headers[edgeHeaders.readAt]
    if (readAt !== undefined) headers[edgeHeaders.readAt] = String(Number(readAt) - proxy.ageMs)
    response.writeHead(status, headers).end(body)
  }
  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy())
  })
  const hangUp = async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeAllConnections()
    await closed
  }
  const listen = () => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))

  const proxy: CoreProxy = {
    url: `http://127.0.0.1:${port}`,
    requestsOf: (path) => counts.get(path) ?? 0,
    ageMs: 0,
    delayMs: 0,
    be: async (next) => {
      const before = how
      how = next
      // What a silent core was asked stays without an answer, also when it is back.
      if (before !== 'refusing' && next !== 'silent') await hangUp()
      if (next !== 'refusing' && !server.listening) await listen()
    },
    stop: () => proxy.be('refusing'),
  }
  await proxy.be('passing')
  return proxy
}

const refuse = (request: IncomingMessage, response: ServerResponse) => {
  const text = problemText(new Fault('overloaded'), String(request.headers['x-request-id']))
  response.writeHead(503, { 'content-type': problemContentType, 'retry-after': '7' }).end(text)
}

const pass = async (coreUrl: string, request: IncomingMessage) => {
  const chunks: Uint8Array[] = []
  for await (const chunk of request) chunks.push(chunk)
  const headers = Object.entries(request.headers).flatMap(([name, value]) =>
    typeof value === 'string' && !ofConnection.has(name) ? [[name, value] as const] : [],
  )
  const answer = await fetch(coreUrl + request.url, {
    method: request.method ?? 'GET',
    headers: Object.fromEntries(headers),
    ...(chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}),
  })
  const answered = [...answer.headers].filter(([name]) => !ofConnection.has(name))
  return { status: answer.status, headers: Object.fromEntries(answered), body: await answer.text() }
}
