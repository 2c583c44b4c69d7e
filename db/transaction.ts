import type { Budget } from './budget.ts'
import { type Connection, command, type Statement } from './connection.ts'
import { limitFor, suits } from './limit.ts'

/** What a transaction is to whoever writes in it. Statements that are sent at once go one after the other. */
export type Scope = {
  send<Rows>(statement: Statement): Promise<Rows>
  /** What is done in it is taken back when `work` rejects, and nothing else is. */
  savepoint<Result>(work: (scope: Scope) => Promise<Result>): Promise<Result>
}

/**
 * Does `work` between `begin` and `commit`, or takes all of it back when it rejects. Every statement, the commit too, is
 * cancelled by the server when the budget is used up, and is not sent after that.
 * @throws what `work` threw; DeadlinePassed; the first error of a statement that `work` passed over, since nothing was committed
 */
export const transact = async <Result>(
  connection: Connection,
  budget: Budget,
  work: (scope: Scope) => Promise<Result>,
): Promise<Result> => {
  /** The limit in force; that of the session until another one is set for the transaction. */
  let limitMs = connection.timeoutMs
  let savepoints = 0
  let failure: unknown
  let last: Promise<unknown> = Promise.resolve()

  const send = async <Rows>(statement: Statement): Promise<Rows> => {
    const leftMs = budget.timeoutMs()
    if (!suits(limitMs, leftMs)) {
      limitMs = limitFor(leftMs)
      await connection.send(command(setting(limitMs)))
    }
    return connection.send<Rows>(statement)
  }
  /** On one connection the second is sent when the first was answered: should it break, nothing is left to be sent again. */
  const inTurn = <Rows>(statement: Statement): Promise<Rows> => {
    const turn = last.then(() => send<Rows>(statement))
    last = turn.catch((error: unknown) => {
      failure ??= error
    })
    return turn
  }

  const scope: Scope = {
    send: inTurn,
    savepoint: async (work) => {
      const name = `s${savepoints++}`
      await inTurn(command(`savepoint ${name}`))
      const failed = failure
      try {
        return await work(scope)
      } catch (error) {
        await last
        await connection.send(command(`rollback to ${name}`)).catch(() => connection.destroy())
        failure = failed
        // It is in force no more if it was set since.
        limitMs = Number.NaN
        throw error
      }
    },
  }

  const leftMs = budget.timeoutMs()
  const isSet = suits(limitMs, leftMs)
  if (!isSet) limitMs = limitFor(leftMs)
  const beginning = command(isSet ? 'begin' : `begin; ${setting(limitMs)}`)
  try {
    // Where the setting is cancelled the transaction has begun all the same.
    await connection.send(beginning)
    const result = await work(scope)
    await last
    const { command: done } = await send<{ command: string }>(command('commit'))
    // To the commit of a transaction in which a statement has failed the server says: ROLLBACK.
    if (done !== 'COMMIT') throw failure ?? new Error('the transaction was not committed')
    return result
  } catch (error) {
    await last
    // On a closed connection there is nothing to take back; on one that cannot, closing it does.
    await connection.send(command('rollback')).catch(() => connection.destroy())
    throw error
  }
}

const setting = (limitMs: number) => `set local statement_timeout = ${limitMs}`
