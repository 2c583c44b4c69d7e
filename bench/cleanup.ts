/** What must be undone, the last first. */
export type Cleanup = {
  add(undo: () => Promise<unknown> | unknown): void
  /** Undoes everything; called twice or at once it does so once. An undo that fails does not keep the others. */
  run(): Promise<void>
}

export const createCleanup = (): Cleanup => {
  const undos: (() => Promise<unknown> | unknown)[] = []
  let running: Promise<void> | undefined
  const runAll = async () => {
    for (let undo = undos.pop(); undo; undo = undos.pop()) {
      try {
        await undo()
      } catch (error) {
        console.error(error)
      }
    }
  }
  return {
    add: (undo) => void undos.push(undo),
    run: () => {
      running ??= runAll()
      return running
    },
  }
}
