import { connect, createServer, type Socket } from 'node:net'

/** A TCP proxy whose far end can hang, as behind a network that is cut: nothing arrives, and nothing is closed. */
export type HangingProxy = {
  readonly port: number
  /** From now on no byte is passed on, on connections old and new. */
  hang(): void
  /** What was kept back goes on, late. */
  resume(): void
  close(): Promise<void>
}

/** Starts one in front of a port of 127.0.0.1. */
export const startHangingProxy = async (targetPort: number): Promise<HangingProxy> => {
  const sockets = new Set<Socket>()
  let hangs = false
  const join = (from: Socket, to: Socket) => {
    sockets.add(from)
    from.on('data', (chunk) => to.write(chunk))
    from.on('error', () => {})
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })
    if (hangs) from.pause()
  }
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1')
    join(near, far)
    join(far, near)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address !== 'object') throw new Error('the system gave no port')
  const set = (value: boolean) => {
    hangs = value
    for (const socket of sockets) value ? socket.pause() : socket.resume()
  }
  return {
    port: address.port,
    hang: () => set(true),
    resume: () => set(false),
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
