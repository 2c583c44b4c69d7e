import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { setTimeout as pause, setImmediate as readSockets } from 'node:timers/promises'
import { paths } from './paths.ts'

export type ListenerOptions = {
  readonly answer: RequestListener
  readonly port: number
  readonly onListening: () => void
  /** The port is taken, or the system gives none. */
  readonly onError: (error: Error) => void
}

/** The process's HTTP server, and how it leaves. */
export type Listener = {
  /** Serves on, and asks every client to send no more here; resolves when nobody did for `quietMs`, after `lingerMaxMs` at the latest. */
  linger(): Promise<void>
  /** Takes no more connections; resolves when the last request has its answer and every connection is closed. Called once. */
  close(): Promise<void>
  /** Requests that have arrived and have no answer yet. */
  underWay(): number
}

/** Who asks whether we are there every quarter of a second has heard by then that we are not, on a busy machine too. */
const quietMs = 1_000
/** A balancer that still sends after that does not listen to us; what is left of the stop belongs to what is under way. */
const lingerMaxMs = 3_000
const lookEveryMs = 50
/**
 * Whoever asks closes an idle connection, not we: a request that crosses our close on its way is lost. Google's front ends keep one
 * for 600 s.
 */
const keepAliveMs = 620_000

/** Edges and Pub/Sub send at once what they send. Whoever has not within this is told 408, and closed. */
const requestMaxMs = 10_000
/** How often it is looked at. */
const requestLookMs = 1_000

/** What asks after the process says nothing of the clients. */
const probes = new Set<string>([paths.live, paths.ready])

/** Listens at once. */
export const listen = (options: ListenerOptions): Listener => {
  const answering = new Set<ServerResponse>()
  let leaving = false
  let askedAt = 0

  const sayGoodbye = (response: ServerResponse) => {
    if (!response.headersSent) response.setHeader('connection', 'close')
  }
  const note = ({ url = '' }: IncomingMessage, response: ServerResponse) => {
    if (!probes.has(url)) askedAt = performance.now()
    if (leaving) sayGoodbye(response)
    answering.add(response)
    response.once('close', () => answering.delete(response))
  }
  const server = createServer(
    { keepAliveTimeout: keepAliveMs, requestTimeout: requestMaxMs, connectionsCheckingInterval: requestLookMs },
    options.answer,
  )
  server.prependListener('request', note)
  server.on('error', options.onError)
  server.listen(options.port, options.onListening)

  /** What is not here in full has not been begun. */
  const underWay = () => [...answering].filter(({ req }) => req.complete).length

  return {
    linger: async () => {
      leaving = true
      for (const response of answering) sayGoodbye(response)
      const startedAt = performance.now()
      while (performance.now() - startedAt < lingerMaxMs) {
        if (performance.now() - Math.max(askedAt, startedAt) >= quietMs) return
        await pause(lookEveryMs)
        // A process that stood still finds its timers before what its clients sent meanwhile.
        await readSockets()
      }
    },
    close: async () => {
      leaving = true
      for (const response of answering) sayGoodbye(response)
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      while (underWay() > 0) await pause(lookEveryMs)
      await Promise.race([closed, pause(lookEveryMs)])
      // What is open still has sent half a request, or none; Node would wait a minute for the rest.
      server.closeAllConnections()
      await closed
    },
    underWay,
  }
}
