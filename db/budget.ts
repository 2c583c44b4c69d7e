import { type Connection, command, type Statement } from './connection.ts'
import { DeadlinePassed } from './errors.ts'
import { limitFor, suits } from './limit.ts'
import type { Wanted } from './pool.ts'

/** Until when somebody waits, and what that leaves for a statement. */
export type Budget = {
  /** What a statement that is sent now may take, whole milliseconds. @throws DeadlinePassed when nothing is left */
  timeoutMs(): number
  /** What a statement of now asks of a connection, and of the wait for one. @throws DeadlinePassed when nothing is left */
  wanted(): Wanted
}

/** How long work without a deadline waits for a connection: whoever has one for longer will not give it back soon. */
const waitMaxMs = 10_000

/** Both in ms since 1970. */
export type Limits = {
  /** When who waits for it has gone; absent: a statement may take as long as any. */
  readonly deadlineAt?: number | undefined
  /** When it is not worth to begin any more, if that is sooner. */
  readonly beginBy?: number | undefined
}

/** @param options.mostMs what a statement may take at the most */
export const budgetOf = ({
  deadlineAt = Number.POSITIVE_INFINITY,
  beginBy = deadlineAt,
  mostMs,
  clock,
}: Limits & { readonly mostMs: number; readonly clock: () => number }): Budget => {
  const leftUntil = (moment: number) => {
    const left = moment - clock()
    if (left <= 0) throw new DeadlinePassed()
    return left
  }
  const timeoutMs = () => {
    leftUntil(beginBy)
    return Math.min(leftUntil(deadlineAt), mostMs)
  }
  return {
    timeoutMs,
    wanted: () => ({
      timeoutMs: timeoutMs(),
      waitUntil: performance.now() + Math.min(leftUntil(beginBy), waitMaxMs),
    }),
  }
}

/**
 * Sends a statement that the server cancels when the budget is used up, or up to 50 ms before. Where the session's limit is
 * another one it is set first, in the same packet.
 * @throws DeadlinePassed when that was so before it was sent
 */
export const sendWithin = async <Rows>(connection: Connection, budget: Budget, statement: Statement): Promise<Rows> => {
  const leftMs = budget.timeoutMs()
  if (suits(connection.timeoutMs, leftMs)) return connection.send<Rows>(statement)
  const timeoutMs = limitFor(leftMs)
  connection.timeoutMs = timeoutMs
  // What befalls it befalls the statement behind it too.
  connection.send(command(`set statement_timeout = ${timeoutMs}`)).catch(() => connection.destroy())
  return connection.send<Rows>(statement)
}
