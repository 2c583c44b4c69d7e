import { connect, createServer } from 'node:net'

/** Long for a connection to this machine, short beside the waits that poll with it. */
const connectMaxMs = 1_000

/**
 * A port of 127.0.0.1 that nobody listens on now. It is not held: between this answer and its use another process can
 * take it, so whoever listens must still report a taken port.
 */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() =>
        address !== null && typeof address === 'object'
          ? resolve(address.port)
          : reject(new Error('the system gave no port')),
      )
    })
  })

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
