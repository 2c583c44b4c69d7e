import { connect, createServer, type Socket } from 'node:net'

/** A TCP proxy whose far end can hang, as behind a network that is cut: nothing arrives, and nothing is closed. */
export type HangingProxy = {
  readonly port: number
  /** From now on no byte is passed on. Who connects gets no word, and none of it gets through. */
  hang(): void
  /** What was kept back goes on, late. Connections that were tried meanwhile were never made. */
  resume(): void
  /** Ends every connection with a reset, the oldest first. */
  reset(): void
  close(): Promise<void>
}

/** Starts one in front of a port of 127.0.0.1, on `port` or any that is free. */
export const startHangingProxy = async (targetPort: number, port = 0): Promise<HangingProxy> => {
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
  }
  const lost = new Set<Socket>()
  const server = createServer((near) => {
    if (hangs) {
      lost.add(near)
      near.on('error', () => {})
      near.on('close', () => lost.delete(near))
      near.pause()
      return
    }
    const far = connect(targetPort, '127.0.0.1')
    join(near, far)
    join(far, near)
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address !== 'object') throw new Error('the system gave no port')
  const set = (value: boolean) => {
    hangs = value
    for (const socket of lost) socket.destroy()
    for (const socket of sockets) value ? socket.pause() : socket.resume()
  }
  return {
    port: address.port,
    hang: () => set(true),
    resume: () => set(false),
    reset: () => {
      for (const socket of sockets) socket.resetAndDestroy()
    },
    close: async () => {
      for (const socket of [...sockets, ...lost]) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
