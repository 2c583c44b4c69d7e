import { connect, type Socket } from 'node:net'

/** Where a load goes. */
export type Address = { readonly host: string; readonly port: number }

/** A keep-alive HTTP/1.1 connection with one request under way at the most. */
export type Connection = {
  /** Writes a request that was built before; its answer goes to `onAnswer`. */
  send(request: Buffer): void
  close(): void
}

export type ConnectionEvents = {
  /** An answer has come in whole. */
  onAnswer(status: number): void
  /** The other side has hung up, or broke off; no more answers will come. */
  onLost(why: string): void
}

/** A listener on this machine accepts at once, or its queue is full. */
const connectMaxMs = 5_000
const headEnd = Buffer.from('\r\n\r\n')
/** The last chunk of a body without a stated length. */
const chunksEnd = Buffer.from('0\r\n\r\n')

/**
 * Opens a connection that reads of an answer only its status and its end: whatever the generator spends, the machine that
 * is measured lacks. @throws Error when nobody listens
 */
export const openConnection = async ({ host, port }: Address, events: ConnectionEvents): Promise<Connection> => {
  const socket = await connected(host, port)
  let received: Buffer | undefined
  let closed = false
  socket.on('data', (chunk: Buffer) => {
    received = received === undefined ? chunk : Buffer.concat([received, chunk])
    const status = statusOfWhole(received)
    if (status === undefined) return
    received = undefined
    events.onAnswer(status)
  })
  const lose = (why: string) => {
    if (!closed) events.onLost(why)
    closed = true
  }
  socket.once('error', (error) => lose(error.message))
  socket.once('close', () => lose('the connection was closed'))
  return {
    send: (request) => void socket.write(request),
    close: () => {
      closed = true
      socket.destroy()
    },
  }
}

const connected = (host: string, port: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true })
    const timer = setTimeout(() => socket.destroy(new Error(`${host}:${port} did not accept`)), connectMaxMs)
    socket.once('error', reject)
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.off('error', reject)
      resolve(socket)
    })
  })

/** The status of an answer that is there whole; undefined while some of it is missing. */
const statusOfWhole = (bytes: Buffer): number | undefined => {
  const end = bytes.indexOf(headEnd)
  if (end < 0) return undefined
  const head = bytes.toString('latin1', 0, end)
  const status = Number(head.slice(9, 12))
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (length !== undefined) return bytes.length >= end + headEnd.length + Number(length) ? status : undefined
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return status
  return bytes.subarray(-chunksEnd.length).equals(chunksEnd) ? status : undefined
}
