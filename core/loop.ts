/** Work that goes on until it is told to stop. */
export type Loop = {
  start(): void
  /** Resolves once the turn that runs has ended. Called twice it waits for the same end. */
  stop(): Promise<void>
}

/**
 * Takes turns; each says how many milliseconds to rest before the next one. A turn must handle its own errors.
 */
export const createLoop = (turn: () => Promise<number>): Loop => {
  let stopping = false
  let wake = () => {}
  let running: Promise<void> = Promise.resolve()

  const rest = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  const run = async () => {
    while (!stopping) {
      const pauseMs = await turn()
      if (!stopping) await rest(pauseMs)
    }
  }

  return {
    start: () => {
      running = run()
    },
    stop: async () => {
      stopping = true
      wake()
      await running
    },
  }
}
