import type { PgDatabase } from 'drizzle-orm/pg-core'
import type { PostgresJsQueryResultHKT } from 'drizzle-orm/postgres-js'
import { drizzle } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'

/** Where a query runs: the pool, or a transaction. */
export type Db = PgDatabase<PostgresJsQueryResultHKT>

/** A transaction: what was written through it commits or vanishes together. */
export type Tx = Parameters<Parameters<Db['transaction']>[0]>[0]

/** What stands for a `$1` of a statement. */
export type Parameter = string | number | null | readonly (string | null)[]

export type Database = {
  readonly db: Db
  /** One statement as plain SQL with `$1` parameters, prepared once a connection, committed by itself. */
  statement<Row>(text: string, parameters: readonly Parameter[]): Promise<Row[]>
  /** Resolves when the database answers. */
  ping(): Promise<void>
  /** Ends the pool; running queries get `graceMs` to finish. */
  close(graceMs: number): Promise<void>
}

export type DatabaseOptions = {
  readonly url: string
  /** Connections at the most, 2 or more: half of them are for transactions. */
  readonly poolMax: number
  /** Milliseconds after which the server cancels a statement; a set's only time limit. */
  readonly statementTimeoutMs: number
  readonly applicationName: string
}

/** A row lock that is not had by then is a conflict to report, not a queue to join. */
const lockTimeoutMs = 500
/** How much longer than the server's own limit we wait for its word: after that the network is taken for dead. */
const silenceMaxMs = 1_000
/** A server that lives answers this at once. */
const pingMaxMs = 2_000
/** A transaction that does nothing for this long belongs to a dead client. */
const idleTransactionTimeoutMs = 10_000
/** A server that does not answer by then is down, as far as a caller with a deadline is concerned. */
const connectTimeoutSeconds = 2

const int8 = 20

/** Opens a pool; connects on first use. Integers of 64 bits arrive as numbers: none of ours passes 2^53 - 1. */
export const openDatabase = (options: DatabaseOptions): Database => {
  const connect = (connectionsMax: number) =>
    postgres(options.url, {
      max: connectionsMax,
      connect_timeout: connectTimeoutSeconds,
      backoff: false,
      onnotice: () => {},
      types: { bigint: { to: int8, from: [int8], parse: Number, serialize: String } },
      connection: {
        application_name: options.applicationName,
        statement_timeout: options.statementTimeoutMs,
        lock_timeout: lockTimeoutMs,
        idle_in_transaction_session_timeout: idleTransactionTimeoutMs,
      },
    })
  const sql = connect(Math.floor(options.poolMax / 2))
  // postgres.js loses a `begin` that it sends behind a hundred other statements, and fails the transaction. On connections of
  // their own nothing goes before them.
  const transactions = connect(Math.ceil(options.poolMax / 2))
  const db = drizzle(sql)
  const forTransactions = drizzle(transactions)
  db.transaction = forTransactions.transaction.bind(forTransactions)
  return {
    db,
    statement: async <Row>(text: string, parameters: readonly Parameter[]) => {
      const query = sql.unsafe(text, parameters as (string | number | null | (string | null)[])[], { prepare: true })
      const rows = await heard(query, options.statementTimeoutMs + silenceMaxMs)
      return rows as unknown as Row[]
    },
    ping: async () => {
      await heard(sql`select 1`, pingMaxMs)
    },
    close: async (graceMs) => {
      await Promise.all([sql, transactions].map((pool) => pool.end({ timeout: graceMs / 1_000 })))
    },
  }
}

/**
 * The result of a query, or an outage when there is none by then: a dead network sends no error. What comes later is dropped.
 * @throws Error with the code `ETIMEDOUT`, after `maxMs`
 */
export const heard = async <Result>(query: PromiseLike<Result>, maxMs: number): Promise<Result> => {
  const silence = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    silence.reject(Object.assign(new Error(`the database was silent for ${maxMs} ms`), { code: 'ETIMEDOUT' }))
  }, maxMs)
  try {
    return await Promise.race([query, silence.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** The SQLSTATE, or postgres.js's own code, of what a query threw; undefined for anything else. */
export const databaseErrorCode = (error: unknown): string | undefined => {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && typeof cause.code === 'string') return cause.code
  }
  return undefined
}

const outages = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'CONNECT_TIMEOUT',
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'CONNECTION_ENDED',
  '57P01',
  '57P02',
  '57P03',
  '53300',
  '25006',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
])

/** Whether the database could not be reached, is starting or stopping, takes no writes (a failover), or has no connection left. */
export const isOutage = (error: unknown): boolean => outages.has(databaseErrorCode(error) ?? '')

/** Whether a transaction lost against another and may be tried again: serialization failure or deadlock. */
export const isTransient = (error: unknown): boolean => ['40001', '40P01'].includes(databaseErrorCode(error) ?? '')

/** Whether a lock was not had within `lock_timeout`. */
export const isLockTimeout = (error: unknown): boolean => databaseErrorCode(error) === '55P03'

/** Whether a statement was cancelled for taking too long. */
export const isStatementTimeout = (error: unknown): boolean => databaseErrorCode(error) === '57014'
