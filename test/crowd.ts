import { once } from 'node:events'
import { connect } from 'node:net'
import { Worker } from 'node:worker_threads'

/** One answer of a burst. */
export type BurstAnswer = {
  readonly status: number
  readonly text: string
  /** From the first byte of the whole burst to the last of this answer. */
  readonly ms: number
}

/** Connections that are open before anything is asked, so that a burst is of requests and not of handshakes. */
export type Crowd = {
  /** Sends a request on every connection, one straight after the other. @throws Error when an answer stays out */
  ask(requestOf: (connection: number) => string): Promise<readonly BurstAnswer[]>
  close(): Promise<void>
}

/** What the thread of a crowd is given. */
export type Gathering = { readonly urls: readonly string[]; readonly count: number }

/**
 * Opens `count` connections, dealt out over the addresses in turn, on a thread of their own: whatever reads thousands of
 * answers must not keep the core and Upstash, which live in the test's process, from giving theirs.
 */
export const gather = async (urls: readonly string[], count: number): Promise<Crowd> => {
  const gathering: Gathering = { urls, count }
  const worker = new Worker(new URL('./crowd-thread.ts', import.meta.url), { workerData: gathering })
  await once(worker, 'message')
  return {
    ask: async (requestOf) => {
      worker.postMessage(Array.from({ length: count }, (_, connection) => requestOf(connection)))
      // The other end of this thread posts nothing else.
      const [answers] = (await once(worker, 'message')) as [readonly BurstAnswer[]]
      return answers
    },
    close: async () => {
      await worker.terminate()
    },
  }
}

/** Sends a request on a connection of its own, which can be broken off before the answer, so that the other end hears of it. */
export const askAlone = async (url: string, request: string): Promise<{ hangUp(): void }> => {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.write(request)
  return { hangUp: () => void socket.resetAndDestroy() }
}

/** A GET as bytes; keep-alive is HTTP/1.1's default. */
export const getRequest = (path: string, headers: Readonly<Record<string, string>>): string =>
  [`GET ${path} HTTP/1.1`, 'host: perigee.test', ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)]
    .concat('', '')
    .join('\r\n')
