/** Whether it fulfils; why it did not is not asked. */
export const fulfils = (work: Promise<unknown>): Promise<boolean> =>
  work.then(
    () => true,
    () => false,
  )
