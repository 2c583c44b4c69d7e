/** Work that goes on until it is told to stop. */
export type Loop = {
  start(): void
  /** Resolves once the turn that runs has ended. Called twice it waits for the same end. */
  stop(): Promise<void>
}

/**
 * Takes turns; each says how many milliseconds to rest before the next one. A turn must handle its own errors, and one that can be
 * long ends early when `signal` is aborted: `stop` waits for it.
 */
export const createLoop = (turn: (signal: AbortSignal) => Promise<number>): Loop => {
  const stopping = new AbortController()
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
    while (!stopping.signal.aborted) {
      const pauseMs = await turn(stopping.signal)
      if (!stopping.signal.aborted) await rest(pauseMs)
    }
  }

  return {
    start: () => {
      running = run()
    },
    stop: async () => {
      stopping.abort()
      wake()
      await running
    },
  }
}
