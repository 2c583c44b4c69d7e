import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import {
  type Answer,
  accessOf,
  answerFailure,
  answerWork,
  encodeBody,
  refuse,
  stateOf,
  tokenOf,
} from './upstash-answer.ts'
import { createFaults, type Faults } from './upstash-faults.ts'
import { createBoundedStore, createCommandMeter } from './upstash-limits.ts'
import { createRegions } from './upstash-regions.ts'
import { readWork } from './upstash-request.ts'
import type { Store } from './upstash-store.ts'

export type UpstashOptions = {
  readonly port: number
  readonly token: string
  readonly readOnlyToken: string
  /** The primary. Closed with the stand-in. */
  readonly store: Store
  /**
   * Where reads go: a store that begins empty, as far behind as `faults.lagMs` says. Nobody else writes to it, and it is
   * closed with the stand-in. Without it the primary answers everything.
   */
  readonly replica?: Store
  /** From 0 to below 1; decides which requests meet a fault. */
  readonly random?: () => number
  /** Milliseconds since 1970; the clock of the lag and of the commands per second, and the same as the stores'. */
  readonly now?: () => number
}

export type Upstash = {
  readonly url: string
  readonly faults: Faults
  /** HTTP requests that came in, refused ones included: what a client pays for in round trips. */
  requests(): number
  /** Commands that came in with a token that allows them: what Upstash bills and limits. */
  commands(): number
  /** Brings the replica to the primary's state at once, whatever the lag. */
  catchUp(): Promise<void>
  close(): Promise<void>
}

/** Longer than a client keeps an idle connection, so that none is closed under a request on its way. */
const keepAliveMs = 120_000
const methods = new Set(['HEAD', 'GET', 'POST', 'PUT'])

/**
 * Stands in for Upstash's REST API, on 127.0.0.1.
 * @throws Error when the port cannot be had
 * @see https://upstash.com/docs/redis/features/restapi
 */
export const startUpstash = async (options: UpstashOptions): Promise<Upstash> => {
  const { random = Math.random, now = Date.now } = options
  const faults = createFaults()
  const primary = createBoundedStore(options.store, faults)
  const regions = createRegions({ primary, replica: options.replica, faults, random, now })
  const admit = createCommandMeter(now)
  const count = { requests: 0, commands: 0 }

  const answer = async (request: IncomingMessage, seen: number): Promise<Answer> => {
    if (random() < faults.errorRate) return refuse(500, 'ERR injected fault')
    const access = accessOf(request.headers, options)
    if (access === undefined) return refuse(401, 'WRONGPASS invalid or missing auth token')
    if (!methods.has(request.method ?? '')) return refuse(405, 'ERR method not allowed')
    const work = await readWork(request)
    count.commands += work.commands.length
    admit(work.commands.length, faults.commandsPerSecondMax)
    return answerWork({ regions, work, access, seen })
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    count.requests++
    if (faults.latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, faults.latencyMs))
    if (faults.down) return void request.socket.destroy()
    const seen = stateOf(request.headers['upstash-sync-token'])
    const { status, body, state } = await answer(request, seen).catch(answerFailure)
    if (random() < faults.dropRate) return void request.socket.destroy()
    response.writeHead(status, { 'content-type': 'application/json', 'upstash-sync-token': tokenOf(seen, state) })
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
    catchUp: () => regions.catchUp(),
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
      await regions.close()
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
