/** What is under way on one connection, and can be told that there will be no answer. */
export type Pending = {
  readonly isEmpty: boolean
  /** Settles as `query` does, or rejects with what `end` was given. */
  settle<Rows>(query: Promise<Rows>): Promise<Rows>
  /** Rejects all that is under way; what they were waiting for may still have been done. */
  end(reason: Error): void
}

/**
 * Between the error of a socket and its end postgres.js takes a query and never settles it: whoever waits for one hears of the
 * end from here.
 */
export const createPending = (): Pending => {
  const rejecters = new Set<(reason: Error) => void>()
  return {
    get isEmpty() {
      return rejecters.size === 0
    },
    settle: async <Rows>(query: Promise<Rows>): Promise<Rows> => {
      const { promise, resolve, reject } = Promise.withResolvers<Rows>()
      rejecters.add(reject)
      query.then(resolve, reject)
      try {
        return await promise
      } finally {
        rejecters.delete(reject)
      }
    },
    end: (reason) => {
      for (const reject of rejecters) reject(reason)
    },
  }
}
