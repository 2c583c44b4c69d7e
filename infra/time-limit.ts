/**
 * The result of `work`, or a rejection with what `onLate` makes when there is none within `limitMs`; the work itself goes on, and
 * what comes of it later is dropped.
 */
export const withTimeLimit = async <Result>(
  work: Promise<Result>,
  limitMs: number,
  onLate: () => Error,
): Promise<Result> => {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(onLate()), limitMs)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
