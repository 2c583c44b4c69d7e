import { connect, createServer, type Socket } from 'node:net'

/** A TCP proxy whose far end can die: its connections are reset, and new ones too. */
export type SeverableProxy = {
  readonly port: number
  sever(): void
  /** From now on it is as it was before. */
  mend(): void
  close(): Promise<void>
}

/** Starts one in front of a port of 127.0.0.1. */
export const startSeverableProxy = async (targetPort: number): Promise<SeverableProxy> => {
  const sockets = new Set<Socket>()
  let isSevered = false
  const join = (from: Socket, to: Socket) => {
    sockets.add(from)
    from.pipe(to)
    from.on('error', () => {})
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })
  }
  const server = createServer((near) => {
    if (isSevered) return near.resetAndDestroy()
    const far = connect(targetPort, '127.0.0.1')
    join(near, far)
    join(far, near)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address !== 'object') throw new Error('the system gave no port')
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy()
  }
  return {
    port: address.port,
    sever: () => {
      isSevered = true
      cut()
    },
    mend: () => {
      isSevered = false
    },
    close: async () => {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
