import type { PgDatabase } from 'drizzle-orm/pg-core'
import type { PostgresJsQueryResultHKT } from 'drizzle-orm/postgres-js'
import { drizzle } from 'drizzle-orm/postgres-js'
import type postgres from 'postgres'
import { type Budget, budgetOf, type Limits, sendWithin } from './budget.ts'
import type { Codecs, Form, Parameter, Statement } from './connection.ts'
import { connectionsBeside, createLink, type Link } from './link.ts'
import { createObserved, type Load, type Observe, type Observed } from './observed.ts'
import { type Scope, transact } from './transaction.ts'

/** Where a query runs: the pool, or a transaction. */
export type Db = PgDatabase<PostgresJsQueryResultHKT>

/** A transaction: what was written through it commits or vanishes together. */
export type Tx = Parameters<Parameters<Db['transaction']>[0]>[0]

export type Database = {
  /** For work that nobody waits for: each statement has the server's limit and no other. */
  readonly db: Db
  /**
   * The same for a caller who waits until `deadlineAt`, ms since 1970: the server cancels every statement then, in transactions
   * too; what has not begun by then, be it for want of a connection, never begins. Both are told by `isStatementTimeout`. Costs
   * nothing that would have to be closed.
   */
  until(deadlineAt: number): Db
  /**
   * One statement as plain SQL with `$1` parameters, prepared once a connection, committed by itself. It has the limit of a set,
   * or less with the deadline of a caller. Callers who share it have none: `beginBy` is when the first of them has gone.
   * @throws DeadlinePassed when it was not sent by then
   */
  statement<Row>(text: string, parameters: readonly Parameter[], limits?: Limits): Promise<Row[]>
  /** Resolves when the database answers; waits for no other statement, and rejects at once while it is silent. */
  ping(): Promise<void>
  /** What of it is in use; zeros unless it is observed. */
  load(): Load
  /** Ends the pool; running queries get `graceMs` to finish. */
  close(graceMs: number): Promise<void>
}

export type DatabaseOptions = {
  readonly url: string
  /** Connections that work, at the most, 2 or more: half of them are for transactions. `connectionsOf` tells how many there are. */
  readonly poolMax: number
  /** Milliseconds after which the server cancels a statement. */
  readonly statementTimeoutMs: number
  /** The same for `Database.statement`, if it is less. */
  readonly setTimeoutMs?: number
  readonly applicationName: string
  /** What deadlines are told by; the machine's clock, if absent. */
  readonly clock?: () => number
  readonly observe?: Observe | undefined
}

/**
 * Texts of reads that connections keep parsed: it halves what a read costs on both sides. There are about a hundred; those with
 * lists are another text for each length, and what comes after these is parsed each time.
 */
const keptReadsMax = 250

/** How many connections a database has at the most, with the one that tells silence from slowness, and its successor. */
export const connectionsOf = (poolMax: number): number => poolMax + connectionsBeside

/** Opens a pool; connects on first use. */
export const openDatabase = (options: DatabaseOptions): Database => {
  const { url, poolMax, statementTimeoutMs, applicationName, clock = Date.now } = options
  const setTimeoutMs = Math.min(options.setTimeoutMs ?? statementTimeoutMs, statementTimeoutMs)
  const codecs: Codecs = { parsers: {}, serializers: {} }
  const link = createLink({
    pools: {
      statements: { max: Math.floor(poolMax / 2), timeoutMs: setTimeoutMs },
      transactions: { max: Math.ceil(poolMax / 2), timeoutMs: statementTimeoutMs },
    },
    ...{ url, applicationName, codecs },
  })
  const observed = createObserved(options.observe)
  const keptReads = new Set<string>()
  const isKept = ({ text, parameters }: Statement) => {
    if (keptReads.has(text)) return true
    if (parameters.length === 0 || !text.startsWith('select ') || keptReads.size >= keptReadsMax) return false
    keptReads.add(text)
    return true
  }
  const dbOf = (deadlineAt: number | undefined): Db => {
    const mostMs = deadlineAt === undefined ? statementTimeoutMs : setTimeoutMs
    const single = budgetOf({ deadlineAt, mostMs, clock })
    const inTransaction = budgetOf({ deadlineAt, mostMs: statementTimeoutMs, clock })
    return drizzle(clientOf(link, codecs, { single, inTransaction, isKept, observed }))
  }
  const statement: Database['statement'] = <Row>(
    text: string,
    parameters: readonly Parameter[],
    limits: Limits = {},
  ): Promise<Row[]> => {
    const budget = budgetOf({ ...limits, mostMs: setTimeoutMs, clock })
    return observed.statement(text, () =>
      sendOne<Row[]>(link, budget, { text, parameters, isPrepared: true, form: 'objects' }),
    )
  }
  return {
    db: dbOf(undefined),
    until: dbOf,
    statement,
    ping: link.ping,
    load: observed.load,
    close: (graceMs) => link.close(graceMs),
  }
}

const sendOne = async <Rows>(link: Link, budget: Budget, statement: Statement): Promise<Rows> =>
  link.use('statements', budget.wanted(), (connection) => sendWithin<Rows>(connection, budget, statement))

type Budgets = {
  readonly single: Budget
  readonly inTransaction: Budget
  /** Whether a statement outside of transactions is worth to be kept parsed. */
  readonly isKept: (statement: Statement) => boolean
  readonly observed: Observed
}

/**
 * What drizzle takes for postgres.js. Of that it uses `unsafe`, `begin`, `savepoint` and `options`, which is all that is here:
 * hence the cast. Into `options` it writes how it wants dates and JSON read.
 */
const clientOf = (link: Link, codecs: Codecs, { single, inTransaction, isKept, observed }: Budgets): postgres.Sql => {
  const client = {
    options: codecs,
    unsafe: unsafeBy((statement) =>
      observed.statement(statement.text, () => sendOne(link, single, { ...statement, isPrepared: isKept(statement) })),
    ),
    begin: <Result>(work: (client: postgres.TransactionSql) => Promise<Result>) =>
      observed.transaction(() =>
        link.use('transactions', inTransaction.wanted(), (connection) =>
          transact(connection, inTransaction, (scope) => work(clientIn(scope, codecs, observed))),
        ),
      ),
  }
  return client as unknown as postgres.Sql
}

/** The same inside of a transaction. */
const clientIn = (scope: Scope, codecs: Codecs, observed: Observed): postgres.TransactionSql => {
  const client = {
    options: codecs,
    unsafe: unsafeBy((statement) => observed.statement(statement.text, () => scope.send(statement))),
    savepoint: <Result>(work: (client: postgres.TransactionSql) => Promise<Result>) =>
      scope.savepoint((inner) => work(clientIn(inner, codecs, observed))),
  }
  return client as unknown as postgres.TransactionSql
}

/** A query that is sent when it is awaited: as objects, or after `values()` as arrays. */
const unsafeBy =
  (send: (statement: Statement) => Promise<unknown>) =>
  (text: string, parameters: readonly unknown[] = [], { prepare = false } = {}) => {
    const run = async (form: Form) => send({ text, parameters, isPrepared: prepare, form })
    return {
      // biome-ignore lint/suspicious/noThenProperty: drizzle awaits it, as it does a query of postgres.js.
      then: (...handlers: Parameters<Promise<unknown>['then']>) => run('objects').then(...handlers),
      values: () => run('values'),
    }
  }
