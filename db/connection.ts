import { makePgArray, parsePgArray } from 'drizzle-orm/pg-core'
import postgres from 'postgres'
import { isOutage, isWord, Unreachable } from './errors.ts'
import { createPending } from './pending.ts'
import type { Pulse } from './pulse.ts'

/** What stands for a `$1` of a statement. */
export type Parameter = string | number | null | readonly (string | null)[]

/** How rows come back: by the names of their columns, or as arrays in their order. */
export type Form = 'objects' | 'values'

export type Statement = {
  readonly text: string
  readonly parameters: readonly unknown[]
  /** Whether the server keeps it parsed, for as long as the connection lives. */
  readonly isPrepared: boolean
  readonly form: Form
}

/** How values of Postgres types are read and written; drizzle has a say in it. */
export type Codecs = {
  readonly parsers: Record<number, (value: string) => unknown>
  readonly serializers: Record<number, (value: unknown) => unknown>
}

export type ConnectionOptions = {
  readonly url: string
  readonly applicationName: string
  readonly codecs: Codecs
  /** The session's `statement_timeout` to begin with. */
  readonly timeoutMs: number
  /** Hears of what is sent and of what comes back; absent for the connection that it asks on itself. */
  readonly pulse: Pulse | undefined
  /** Called once, when it is gone. */
  readonly onClosed: (connection: Connection) => void
}

/**
 * One connection, for one life: when it breaks or is told of an outage, whoever has it hears of it, and it is not mended, so nothing that belongs to a
 * transaction is ever sent outside of it. Whoever holds it sends one thing at a time, or things that may be answered in a row.
 */
export type Connection = {
  readonly openedAt: number
  /** The session's `statement_timeout` now, ms. */
  timeoutMs: number
  /** When what is under way must have been answered, by `performance.now()`; infinite while nothing is. */
  readonly answerBy: number
  readonly isClosed: boolean
  /**
   * Connects first, if need be. Rejects as the server or the network does, and as an outage when the connection closes before it
   * was answered; never sends on what is closed.
   */
  send<Rows>(statement: Statement): Promise<Rows>
  /** Closes it at once; what is under way rejects as an outage. */
  destroy(): void
}

/** A row lock that is not had by then is a conflict to report, not a queue to join. */
const lockTimeoutMs = 500
/** A transaction that does nothing for this long belongs to a dead client. */
const idleTransactionTimeoutMs = 10_000
/** A server that does not answer by then is down, as far as a caller with a deadline is concerned. */
const connectTimeoutSeconds = 2
/** How much longer than the server's own limit we wait for its word: after that this one connection is taken for dead. */
const silenceMaxMs = 1_000
/**
 * A server that loses its client without a word forgets it after about ten seconds, not after two hours, so that connections
 * from before an outage make room for those after it.
 */
const forgetting = {
  tcp_keepalives_idle: 5,
  tcp_keepalives_interval: 2,
  tcp_keepalives_count: 3,
  tcp_user_timeout: 10_000,
  // What arrives late, when its client has given up and closed, is not carried on with.
  client_connection_check_interval: 50,
}

/** Types by the numbers that Postgres gives its own, the same in every release. */
const int8 = 20
const textArray = 1_009

/** Makes one; it connects with the first statement. */
export const openConnection = (options: ConnectionOptions): Connection => {
  const { pulse } = options
  let isClosed = false
  let answerBy = Number.POSITIVE_INFINITY
  const pending = createPending()
  const close = (reason: Unreachable) => {
    if (isClosed) return
    isClosed = true
    options.onClosed(connection)
    pending.end(reason)
  }
  const sql = postgres(options.url, {
    max: 1,
    connect_timeout: connectTimeoutSeconds,
    backoff: false,
    // The pool ends what has grown old: postgres.js would in the middle of a transaction.
    max_lifetime: 0,
    onnotice: () => {},
    onclose: () => close(new Unreachable('the connection was closed', 'CONNECTION_CLOSED')),
    // postgres.js asks each connection for its array types, and nobody hears it when that fails: the process would end of it.
    fetch_types: false,
    types: {
      // Integers of 64 bits arrive as numbers: none of ours passes 2^53 - 1.
      bigint: { to: int8, from: [int8], parse: Number, serialize: String },
      texts: { to: textArray, from: [textArray], parse: parsePgArray, serialize: textsOf },
    },
    connection: {
      application_name: options.applicationName,
      statement_timeout: options.timeoutMs,
      lock_timeout: lockTimeoutMs,
      idle_in_transaction_session_timeout: idleTransactionTimeoutMs,
      ...forgetting,
    },
  })
  Object.assign(sql.options.parsers, options.codecs.parsers)
  Object.assign(sql.options.serializers, options.codecs.serializers)

  const connection: Connection = {
    openedAt: performance.now(),
    timeoutMs: options.timeoutMs,
    get answerBy() {
      return answerBy
    },
    get isClosed() {
      return isClosed
    },
    send: async <Rows>({ text, parameters, isPrepared, form }: Statement): Promise<Rows> => {
      if (isClosed) throw new Unreachable('the connection is closed', 'CONNECTION_CLOSED')
      answerBy = performance.now() + connection.timeoutMs + silenceMaxMs
      pulse?.begin()
      let heard = true
      try {
        // postgres.js takes what it has a serializer for, and the text of anything else.
        const query = sql.unsafe(text, parameters as never[], { prepare: isPrepared })
        return (await pending.settle<unknown>(form === 'values' ? query.values() : query)) as Rows
      } catch (error) {
        heard = isWord(error)
        // Also where the server keeps it, having become one that takes no writes: a new one finds the way to who does.
        if (isOutage(error)) connection.destroy()
        throw error
      } finally {
        if (pending.isEmpty) answerBy = Number.POSITIVE_INFINITY
        pulse?.end(heard)
      }
    },
    destroy: () => {
      close(new Unreachable('the connection was given up', 'CONNECTION_DESTROYED'))
      sql.end({ timeout: 0 }).catch(() => {})
    },
  }
  return connection
}

/** What drizzle hands over is text already. */
const textsOf = (value: unknown) => (Array.isArray(value) ? makePgArray(value) : value)

/** A statement of plain text, not kept. */
export const command = (text: string): Statement => ({ text, parameters: [], isPrepared: false, form: 'objects' })
