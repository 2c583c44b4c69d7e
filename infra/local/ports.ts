import { connect, createServer } from 'node:net'

/** Long for a connection to this machine, short beside the waits that poll with it. */
const connectMaxMs = 1_000

/** Systems give outgoing connections ports from 32768 (Linux) or 49152 (macOS, Windows) on; below 10000 live well-known services. */
const range = { from: 10_000, count: 20_000 }
const attemptsMax = 100
/** Processes that run at once begin so far from each other, by their ids, that each has a stretch of its own. */
const stretch = 97
let next = (process.pid * stretch) % range.count

/**
 * A port of 127.0.0.1 that nobody listens on now, another one each time. It is not held: between this answer and its use another
 * process can take it, so whoever listens must still report a taken port. No outgoing connection takes it, as it would one that
 * the system chose.
 * @throws Error when a hundred in a row are taken
 */
export const freePort = async (): Promise<number> => {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const port = range.from + next
    next = (next + 1) % range.count
    if (await portIsFree(port)) return port
  }
  throw new Error(`none of ${attemptsMax} ports of 127.0.0.1 is free`)
}

/**
 * Whether one could listen on this port of 127.0.0.1 now. A port that this user may not listen on is not free either.
 */
export const portIsFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })

/** Whether something accepts connections on this port of 127.0.0.1. */
export const portAnswers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: connectMaxMs })
    const finish = (answers: boolean) => {
      socket.destroy()
      resolve(answers)
    }
    socket.once('connect', () => finish(true))
    socket.once('timeout', () => finish(false))
    socket.once('error', () => finish(false))
  })
