import { Unreachable } from './errors.ts'

/**
 * The result of a query, or an outage when there is none by then: a dead network sends no error. What comes later is dropped.
 * @throws Unreachable after `maxMs`
 */
export const heard = async <Result>(query: PromiseLike<Result>, maxMs: number): Promise<Result> => {
  const silence = Promise.withResolvers<never>()
  const giveUp = () => silence.reject(new Unreachable(`the database was silent for ${maxMs} ms`))
  // A process that stood still finds its timers before the answers that have come meanwhile.
  const timer = setTimeout(() => setImmediate(giveUp), maxMs)
  try {
    return await Promise.race([query, silence.promise])
  } finally {
    clearTimeout(timer)
  }
}
