/** Asks again until it is so, at most `withinMs`. Answers how many milliseconds it took. */
export const eventually = async (isSo: () => Promise<boolean>, withinMs: number): Promise<number> => {
  const startedAt = performance.now()
  while (!(await isSo())) {
    if (performance.now() - startedAt > withinMs) throw new Error(`not so within ${withinMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return performance.now() - startedAt
}
