import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { freePort } from '#infra/local/ports.ts'
import type { Upstash } from '#infra/local/upstash.ts'

/** Upstash as those meet it who have written nothing there: reads go to its replica, whatever else the client has done. */
export type UpstashRegion = { readonly url: string; stop(): Promise<void> }

/** With it a client that has just filled is answered by the primary, and would feel nothing of the replica's lag. */
const syncToken = 'upstash-sync-token'

export const startUpstashRegion = async (upstash: Upstash): Promise<UpstashRegion> => {
  const agent = new Agent({ keepAlive: true })
  const pass = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const { [syncToken]: _, ...headers } = incoming.headers
    const passed = request(upstash.url + incoming.url, { agent, headers, method: incoming.method }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    passed.on('error', () => incoming.socket.destroy())
    incoming.pipe(passed)
  }
  const server = createServer({ keepAliveTimeout: 120_000 }, pass)
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      agent.destroy()
      await closed
    },
  }
}
