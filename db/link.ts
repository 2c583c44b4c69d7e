import { randomUUID } from 'node:crypto'
import { type Codecs, type Connection, command, openConnection, type Statement } from './connection.ts'
import { isOutage, isWord, Unreachable } from './errors.ts'
import { heard } from './heard.ts'
import { createPool, type Pool, type Wanted } from './pool.ts'
import { createPulse, type Pulse } from './pulse.ts'

export type LinkOptions = {
  readonly url: string
  /** Of each pool, connections at the most and how their sessions' `statement_timeout` begins. */
  readonly pools: Readonly<Record<'statements' | 'transactions', { readonly max: number; readonly timeoutMs: number }>>
  /** A part of it is the link's own, by which the server knows whose sessions these are. */
  readonly applicationName: string
  readonly codecs: Codecs
}

/**
 * The way to one database. While it is silent, whatever is asked rejects at once as an outage, what was under way does too, and
 * one connection at a time is tried until it is answered. Then everything is made anew.
 */
export type Link = {
  /** Work on a connection of its own. @throws what `Pool.use` throws, and what the work does */
  use<Result>(
    pool: keyof LinkOptions['pools'],
    wanted: Wanted,
    work: (connection: Connection) => Promise<Result>,
  ): Promise<Result>
  /**
   * Resolves when the server answers, on the link's own connection: behind nobody's statement, and in no line.
   * @throws Unreachable when it does not, at once while it is silent; what the server says where it refuses
   */
  ping(): Promise<void>
  /** Takes nothing more; what is under way gets `graceMs`. */
  close(graceMs: number): Promise<void>
}

/** Beside those of the pools: the one that is asked whether there is anybody, and for a moment after an outage its successor. */
export const connectionsBeside = 2

/** Between two tries, when the first was refused and not merely unanswered. */
const retryPauseMs = 100
/** A server that takes a connection and then says nothing is as silent as before. */
const answerMaxMs = 2_000
/** How long a server may take to end a session of ours that it still holds. */
const endMaxMs = 100

/** From one silence to the next: pools, the pulse that judges them, and the connection on which it asks. */
type Life = Readonly<Record<'statements' | 'transactions', Pool>> & {
  ping(): Promise<void>
  /** Ends all of it at once. */
  destroy(): void
}

export const createLink = (options: LinkOptions): Link => {
  const applicationName = `${options.applicationName} ${randomUUID().slice(0, 8)}`
  let life: Life | undefined
  let isEnded = false

  const open = (timeoutMs: number, pulse?: Pulse, onClosed: (connection: Connection) => void = () => {}) =>
    openConnection({ url: options.url, applicationName, codecs: options.codecs, timeoutMs, pulse, onClosed })

  const begin = (first?: Connection): Life => {
    let asked = first
    const connectionToAsk = () => {
      if (asked && !asked.isClosed) return asked
      asked = open(answerMaxMs)
      pulse.reconnect()
      return asked
    }
    const pulse = createPulse({
      ask: () => connectionToAsk().send(question),
      isWord,
      onLook: (now) => {
        // Now rather than when it is needed: it has to have answered by then.
        if (asked?.isClosed) connectionToAsk()
        for (const pool of pools) pool.look(now)
      },
      onSilent: () => {
        life = undefined
        destroy()
        void revive()
      },
    })
    const poolOf = ({ max, timeoutMs }: LinkOptions['pools'][keyof LinkOptions['pools']]) =>
      createPool({ connectionsMax: max, pulse, open: (onClosed) => open(timeoutMs, pulse, onClosed) })
    const [statements, transactions] = [poolOf(options.pools.statements), poolOf(options.pools.transactions)]
    const pools = [statements, transactions]
    const destroy = () => {
      pulse.stop()
      for (const pool of pools) pool.destroy()
      asked?.destroy()
    }
    const ping = async () => {
      const connection = connectionToAsk()
      let hasWord = true
      pulse.begin()
      try {
        await heard(connection.send(question), answerMaxMs)
      } catch (error) {
        hasWord = isWord(error)
        // While others are answered it is this one connection that is dead.
        if (!hasWord) connection.destroy()
        throw error
      } finally {
        pulse.end(hasWord)
      }
    }
    return { statements, transactions, ping, destroy }
  }

  const revive = async () => {
    while (!isEnded) {
      const connection = open(answerMaxMs)
      try {
        await answered(connection.send(endOthers(applicationName)))
        if (isEnded) return connection.destroy()
        life = begin(connection)
        return
      } catch {
        connection.destroy()
        await new Promise((resolve) => setTimeout(resolve, retryPauseMs))
      }
    }
  }

  const alive = (): Life => {
    if (isEnded) throw new Unreachable('the database was closed', 'CONNECTION_ENDED')
    if (!life) throw new Unreachable('the database is silent')
    return life
  }

  life = begin()
  return {
    use: async (pool, wanted, work) => alive()[pool].use(wanted, work),
    ping: async () => alive().ping(),
    close: async (graceMs) => {
      isEnded = true
      await Promise.all([life?.statements.drain(graceMs), life?.transactions.drain(graceMs)])
      life?.destroy()
    },
  }
}

/** Waits for nothing, and costs nothing. */
const question = command('select 1')

/** What the server still holds of the time before: it goes first, so that there are never more than there may be. */
const endOthers = (applicationName: string): Statement => ({
  text: `select pg_terminate_backend(pid, ${endMaxMs}) from pg_stat_activity
    where application_name = $1 and pid <> pg_backend_pid()`,
  parameters: [applicationName],
  isPrepared: false,
  form: 'values',
})

/** Resolves when the server has said something, though it be that it will not end a session; rejects on silence and outage. */
const answered = async (answer: Promise<unknown>): Promise<void> => {
  try {
    await heard(answer, answerMaxMs)
  } catch (error) {
    if (isOutage(error) || !isWord(error)) throw error
  }
}
