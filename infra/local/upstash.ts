import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type Answer, accessOf, answerFailure, answerWork, encodeBody, nextSyncToken } from './upstash-answer.ts'
import { readWork } from './upstash-request.ts'
import type { Store } from './upstash-store.ts'

export type UpstashOptions = {
  readonly port: number
  readonly token: string
  readonly readOnlyToken: string
  /** Closed with the stand-in. */
  readonly store: Store
  /** From 0 to below 1; decides which requests meet a fault. */
  readonly random?: () => number
}

/** What goes wrong, for tests: change it at any time, it holds from the next request on. */
export type Faults = {
  /** Every connection and request is cut off before it does anything. */
  down: boolean
  /** Waited before each request is looked at. */
  latencyMs: number
  /** The share of requests, 0 to 1, that are answered 500 and do nothing. */
  errorRate: number
  /** The share of requests, 0 to 1, that take effect and then lose their answer with the connection. */
  dropRate: number
}

export type Upstash = {
  readonly url: string
  readonly faults: Faults
  /** HTTP requests that came in, refused ones included: what a client pays for in round trips. */
  requests(): number
  /** Commands that came in with a token that allows them: what Upstash bills and limits. */
  commands(): number
  close(): Promise<void>
}

/** Longer than a client keeps an idle connection, so that none is closed under a request on its way. */
const keepAliveMs = 120_000

/**
 * Stands in for Upstash's REST API, on 127.0.0.1.
 * @throws Error when the port cannot be had
 * @see https://upstash.com/docs/redis/features/restapi
 */
export const startUpstash = async (options: UpstashOptions): Promise<Upstash> => {
  const { store, random = Math.random } = options
  const faults: Faults = { down: false, latencyMs: 0, errorRate: 0, dropRate: 0 }
  const count = { requests: 0, commands: 0, writes: 0 }

  const answer = async (request: IncomingMessage): Promise<Answer> => {
    if (random() < faults.errorRate) return { status: 500, body: { error: 'ERR injected fault' }, wrote: false }
    const access = accessOf(request.headers, options)
    if (access === undefined) return { status: 401, body: { error: 'Unauthorized' }, wrote: false }
    const work = await readWork(request)
    count.commands += work.commands.length
    return answerWork(store, work, access)
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    count.requests++
    if (faults.latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, faults.latencyMs))
    if (faults.down) return void request.socket.destroy()
    const { status, body, wrote } = await answer(request).catch(answerFailure)
    if (wrote) count.writes++
    if (random() < faults.dropRate) return void request.socket.destroy()
    response.writeHead(status, {
      'content-type': 'application/json',
      'upstash-sync-token': nextSyncToken(request.headers['upstash-sync-token'], count.writes),
    })
    response.end(JSON.stringify(request.headers['upstash-encoding'] === 'base64' ? encodeBody(body) : body))
  }

  const server = createServer({ keepAliveTimeout: keepAliveMs }, (request, response) => void handle(request, response))
  server.on('connection', (socket) => {
    if (faults.down) socket.destroy()
  })
  const port = await listen(server, options.port)
  return {
    url: `http://127.0.0.1:${port}`,
    faults,
    requests: () => count.requests,
    commands: () => count.commands,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
      await store.close()
    },
  }
}

/** Answers with the port, which the system chose where 0 was asked for. */
const listen = (server: Server, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      const address = server.address()
      resolve(address !== null && typeof address === 'object' ? address.port : port)
    })
  })
