import { connect, type Socket } from 'node:net'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { BurstAnswer, Gathering } from './crowd.ts'

/** Below the queue of a listener, so that none is turned away. */
const openedAtOnce = 200
const answersMaxMs = 30_000
const headEnd = Buffer.from('\r\n\r\n')

/** The thread of a crowd: opens its connections, says so, and answers each list of requests with a list of answers. */
const serve = async ({ urls, count }: Gathering, port: MessagePort): Promise<void> => {
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const from = sockets.length
    const wanted = Math.min(openedAtOnce, count - from)
    sockets.push(...(await Promise.all(Array.from({ length: wanted }, (_, at) => open(urls, from + at)))))
  }
  port.on('message', async (texts: readonly string[]) => {
    const requests = texts.map((text) => Buffer.from(text, 'latin1'))
    const startedAt = performance.now()
    const answers = sockets.map((socket) => answerOn(socket, startedAt))
    for (const [at, socket] of sockets.entries()) socket.write(requests[at] ?? '')
    port.postMessage(await Promise.all(answers))
  })
  port.postMessage('gathered')
}

const open = (urls: readonly string[], at: number): Promise<Socket> => {
  const { hostname, port } = new URL(urls[at % urls.length] ?? '')
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}

const answerOn = (socket: Socket, startedAt: number): Promise<BurstAnswer> =>
  new Promise((resolve, reject) => {
    let received: Buffer | undefined
    const settle = (error: Error | undefined, answer?: BurstAnswer) => {
      clearTimeout(timer)
      socket.removeAllListeners()
      if (answer) resolve(answer)
      else reject(error)
    }
    const timer = setTimeout(() => settle(new Error(`no answer within ${answersMaxMs} ms`)), answersMaxMs)
    socket.on('error', (error) => settle(error))
    socket.on('close', () => settle(new Error('the connection was closed before its answer')))
    socket.on('data', (chunk: Buffer) => {
      received = received === undefined ? chunk : Buffer.concat([received, chunk])
      const end = received.indexOf(headEnd)
      if (end < 0) return
      const head = received.toString('latin1', 0, end)
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? Number.NaN)
      // Every answer of our Worker, and of a bare one, states its length.
      if (Number.isNaN(length)) return settle(new Error(`an answer without a length: ${head}`))
      const from = end + headEnd.length
      if (received.length < from + length) return
      const text = received.toString('utf8', from, from + length)
      settle(undefined, { status: Number(head.slice(9, 12)), text, ms: performance.now() - startedAt })
    })
  })

if (!parentPort) throw new Error('this is the thread of a crowd; see test/crowd.ts')
await serve(workerData, parentPort)
