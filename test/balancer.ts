import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { freePort } from '#infra/local/ports.ts'

/**
 * A balancer as stands before the instances of a cell: it asks each whether it is ready, sends requests to those alone in turn, and
 * tries nothing twice.
 */
export type Balancer = {
  readonly url: string
  /** An instance that is sent requests once it says that it is ready. */
  add(url: string): void
  remove(url: string): void
  isReady(url: string): boolean
  /** Whether an instance that was ready has said in words that it is not, so that it was sent nothing before it was gone. */
  hasTakenLeave(url: string): boolean
  /** Resolves when an instance has just been asked, and has the whole pause before it is asked again. */
  untilAsked(url: string): Promise<void>
  /** Requests that were sent on; those whose instance gave no answer, by why; those that found nobody ready. */
  readonly counts: { readonly sent: number; readonly failed: readonly string[]; readonly nobody: number }
  stop(): Promise<void>
}

/** As often as a balancer does that is set to notice soon. */
const probeEveryMs = 250
const probeMaxMs = 1_000
/** On a busy machine one late answer says nothing; a refusal, in words or of the connection, is believed at once. */
const lateMax = 3
/** The one who asks closes an idle connection; longer than any rest of a load. */
const keepAliveMs = 60_000

type Instance = {
  readonly agent: Agent
  readonly timer: NodeJS.Timeout
  ready: boolean
  tookLeave: boolean
  /** Questions on end that it took too long to answer. */
  late: number
  told: (() => void)[]
}

export const startBalancer = async (): Promise<Balancer> => {
  const instances = new Map<string, Instance>()
  const counts = { sent: 0, failed: [] as string[], nobody: 0 }

  const probe = async (url: string) => {
    const said = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(probeMaxMs) }).then(
      async (answer) => {
        await answer.text()
        return answer.status === 200 ? 'ready' : 'refused'
      },
      (error: Error) => (error.name === 'TimeoutError' ? 'late' : 'gone'),
    )
    const instance = instances.get(url)
    if (!instance) return
    instance.late = said === 'late' ? instance.late + 1 : 0
    if (said === 'refused' && instance.ready) instance.tookLeave = true
    if (said !== 'late') instance.ready = said === 'ready'
    else if (instance.late >= lateMax) instance.ready = false
    for (const tell of instance.told.splice(0)) tell()
  }

  const pass = (url: string, { agent }: Instance, incoming: IncomingMessage, outgoing: ServerResponse) => {
    counts.sent++
    const { method = 'GET', url: target = '/', headers } = incoming
    const fail = (error: Error) => {
      counts.failed.push(`${method} ${target}: ${error.message}`)
      if (outgoing.headersSent) outgoing.destroy()
      else outgoing.writeHead(502).end()
    }
    const sent = request(url + target, { agent, method, headers }, (answer) => {
      const { connection, 'keep-alive': _, ...passed } = answer.headers
      outgoing.writeHead(answer.statusCode ?? 502, passed)
      answer.on('error', fail).pipe(outgoing)
    })
    sent.on('error', fail)
    incoming.pipe(sent)
  }

  let turn = 0
  const server = createServer({ keepAliveTimeout: keepAliveMs }, (incoming, outgoing) => {
    const ready = [...instances].filter(([, instance]) => instance.ready)
    const [url, instance] = ready[turn++ % ready.length] ?? []
    if (url !== undefined && instance) return pass(url, instance, incoming, outgoing)
    counts.nobody++
    outgoing.writeHead(503).end()
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))

  const remove = (url: string) => {
    const instance = instances.get(url)
    clearInterval(instance?.timer)
    instance?.agent.destroy()
    instances.delete(url)
  }
  return {
    url: `http://127.0.0.1:${port}`,
    add: (url) => {
      const timer = setInterval(() => void probe(url), probeEveryMs)
      instances.set(url, {
        agent: new Agent({ keepAlive: true }),
        timer,
        ready: false,
        tookLeave: false,
        late: 0,
        told: [],
      })
      void probe(url)
    },
    remove,
    untilAsked: (url) => new Promise((resolve) => instances.get(url)?.told.push(resolve)),
    isReady: (url) => instances.get(url)?.ready ?? false,
    hasTakenLeave: (url) => instances.get(url)?.tookLeave ?? false,
    counts,
    stop: async () => {
      for (const url of instances.keys()) remove(url)
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}
