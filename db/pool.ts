import { type Connection, command } from './connection.ts'
import { DeadlinePassed, Unreachable } from './errors.ts'
import { suits } from './limit.ts'
import type { Pulse } from './pulse.ts'

/** Who waits for a connection: more would not be served before their callers have gone. */
const waitingMax = 2_000
/** After a failover or a scaling of the server, connections find their way to where they should be. */
const lifetimeMs = 30 * 60_000
/** What a statement may take: it is wanted of the connection that is looked for, and until when it is worth to wait for one. */
export type Wanted = {
  readonly timeoutMs: number
  /** By `performance.now()`. */
  readonly waitUntil: number
}

/** So many connections, each with one user at a time: what begins on it begins at once, behind nobody's statement. */
export type Pool = {
  /**
   * Gives `work` a connection to itself until it settles, one whose limit is near the one that is wanted if there is one. It is
   * connected: what is sent on it goes out at once.
   * @throws DeadlinePassed when none was free by `waitUntil`; Unreachable when too many wait; what a try to connect threw
   */
  use<Result>(wanted: Wanted, work: (connection: Connection) => Promise<Result>): Promise<Result>
  /** Ends what should have been answered by now, and the wait of those whose time is over. */
  look(now: number): void
  /** Ends everything at once. */
  destroy(): void
  /** Takes nothing more; resolves when all is done, or after `graceMs`. */
  drain(graceMs: number): Promise<void>
}

/** Connects, and leaves nothing behind. */
const nothing = command('')

type Waiter = Wanted & { readonly settle: PromiseWithResolvers<Connection> }

export const createPool = ({
  open,
  connectionsMax,
  pulse,
}: {
  /** Makes a connection; `onClosed` hears when it is gone. */
  readonly open: (onClosed: (connection: Connection) => void) => Connection
  readonly connectionsMax: number
  readonly pulse: Pulse
}): Pool => {
  const all = new Set<Connection>()
  const idle: Connection[] = []
  const line: Waiter[] = []
  /** How many are being connected. */
  let opening = 0
  let endedBy: Error | undefined
  let onIdle = () => {}

  const forget = (connection: Connection) => {
    all.delete(connection)
    const at = idle.indexOf(connection)
    if (at >= 0) idle.splice(at, 1)
  }

  /** One that is free. */
  const take = ({ timeoutMs }: Wanted): Connection | undefined => {
    const near = idle.findLastIndex((one) => suits(one.timeoutMs, timeoutMs))
    // At -1 it is the last one, which was used most recently.
    return idle.splice(near, 1)[0]
  }

  /**
   * Connects one before anything is sent on it, as postgres.js would send in the end what its caller has long given up. It goes to
   * whoever is first then; the one it was made for hears when it fails.
   */
  const openFor = async (waiter: Waiter) => {
    const connection = open(forget)
    all.add(connection)
    opening++
    try {
      await connection.send(nothing)
    } catch (error) {
      connection.destroy()
      const at = line.indexOf(waiter)
      if (at >= 0) line.splice(at, 1)
      waiter.settle.reject(error)
    }
    opening--
    give(connection)
  }

  /** As many as wait, where there is room. */
  const openMore = () => {
    for (let next = line[opening]; next && all.size < connectionsMax; next = line[opening]) void openFor(next)
  }

  const give = (connection: Connection) => {
    if (connection.isClosed || endedBy || performance.now() - connection.openedAt > lifetimeMs) connection.destroy()
    else idle.push(connection)
    serve()
  }

  const serve = () => {
    for (let next = line[0]; next; next = line[0]) {
      const isLate = next.waitUntil <= performance.now()
      const connection = isLate ? undefined : take(next)
      if (!isLate && !connection) break
      line.shift()
      if (connection) next.settle.resolve(connection)
      else next.settle.reject(new DeadlinePassed())
    }
    openMore()
    if (all.size === idle.length) onIdle()
  }

  const wait = async (wanted: Wanted): Promise<Connection> => {
    if (line.length >= waitingMax) throw new Unreachable(`more than ${waitingMax} wait for a connection`, '53300')
    const settle = Promise.withResolvers<Connection>()
    line.push({ ...wanted, settle })
    pulse.begin()
    try {
      openMore()
      return await settle.promise
    } finally {
      pulse.end(false)
    }
  }

  const destroy = (reason: Error) => {
    endedBy ??= reason
    for (const { settle } of line.splice(0)) settle.reject(endedBy)
    for (const connection of [...all]) connection.destroy()
  }

  return {
    use: async (wanted, work) => {
      if (endedBy) throw endedBy
      if (wanted.waitUntil <= performance.now()) throw new DeadlinePassed()
      const connection = (line.length === 0 ? take(wanted) : undefined) ?? (await wait(wanted))
      try {
        return await work(connection)
      } finally {
        give(connection)
      }
    },
    look: (now) => {
      for (const connection of [...all]) if (connection.answerBy < now) connection.destroy()
      for (const waiter of line.filter(({ waitUntil }) => waitUntil <= now)) {
        line.splice(line.indexOf(waiter), 1)
        waiter.settle.reject(new DeadlinePassed())
      }
      // A connection that broke while nobody used it leaves its place to whoever waits.
      serve()
    },
    destroy: () => destroy(new Unreachable('the database is silent')),
    drain: async (graceMs) => {
      const ended = new Unreachable('the pool has ended', 'CONNECTION_ENDED')
      if (all.size > idle.length && graceMs > 0) {
        const quiet = Promise.withResolvers<void>()
        onIdle = quiet.resolve
        const timer = setTimeout(quiet.resolve, graceMs)
        await quiet.promise
        clearTimeout(timer)
      }
      destroy(ended)
    },
  }
}
