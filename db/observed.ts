/**
 * Told of each statement when it is sent, by its text with `$1` in the place of values; answers with what is to be called when
 * it has ended, with its error where it failed. Undefined where nobody wants to know.
 */
export type Observe = (query: { readonly text: string }) => ((error?: unknown) => void) | undefined

/** What of a database is in use or waited for. */
export type Load = {
  /** Statements that have not ended, those of transactions included. */
  readonly statements: number
  readonly transactions: number
}

/** Counts what is under way, and tells of statements. */
export type Observed = {
  statement<Result>(text: string, send: () => Promise<Result>): Promise<Result>
  transaction<Result>(work: () => Promise<Result>): Promise<Result>
  load(): Load
}

/** Where nobody observes nothing is counted, and nothing is done beside the work. */
export const createObserved = (observe: Observe | undefined): Observed => {
  let statements = 0
  let transactions = 0
  const load = () => ({ statements, transactions })
  if (!observe) return { statement: (_, send) => send(), transaction: (work) => work(), load }
  return {
    statement: async (text, send) => {
      const end = observe({ text })
      statements++
      try {
        const result = await send()
        end?.()
        return result
      } catch (error) {
        end?.(error)
        throw error
      } finally {
        statements--
      }
    },
    transaction: async (work) => {
      transactions++
      try {
        return await work()
      } finally {
        transactions--
      }
    },
    load,
  }
}
