import { type Address, type Connection, openConnection } from './connection.ts'

/** Connections of which each has one request under way at the most. */
export type Pool = {
  /** Sends on a connection that is free, and remembers when the request was due. False where none is free. */
  send(request: Buffer, dueAt: number): boolean
  /** Requests without an answer so far. */
  underWay(): number
  /** Connections that the other side has not hung up. */
  open(): number
  close(): void
}

export type PoolEvents = {
  onAnswer(status: number, dueAt: number): void
  /** A connection is gone, and its request with it if it had one. */
  onLost(why: string): void
}

/** Opens all of them. Nothing happens before the first `send`. @throws Error when they cannot be had */
export const openPool = async (address: Address, count: number, events: PoolEvents): Promise<Pool> => {
  const connections = new Map<number, Connection>()
  const dueAt = new Map<number, number>()
  let free: number[] = []
  let complete = false

  const open = async (index: number) => {
    const connection = await openConnection(address, {
      onAnswer: (status) => {
        const due = dueAt.get(index) ?? Number.NaN
        dueAt.delete(index)
        free.push(index)
        events.onAnswer(status, due)
      },
      onLost: (why) => {
        connections.delete(index)
        dueAt.delete(index)
        free = free.filter((other) => other !== index)
        if (complete) events.onLost(why)
      },
    })
    connections.set(index, connection)
    free.push(index)
  }
  await Promise.all(Array.from({ length: count }, (_, index) => open(index)))
  if (connections.size < count) throw new Error(`${address.host}:${address.port} hung up before anything was sent`)
  complete = true

  return {
    send: (request, due) => {
      const index = free.pop()
      if (index === undefined) return false
      dueAt.set(index, due)
      connections.get(index)?.send(request)
      return true
    },
    underWay: () => dueAt.size,
    open: () => connections.size,
    close: () => {
      for (const connection of connections.values()) connection.close()
    },
  }
}
