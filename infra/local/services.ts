import { type Child, describeExit, tail } from './process.ts'

export type Service = {
  /** Names its log file too. */
  readonly name: string
  /** The stack ends with it. The others may come and go: what happens then is what Perigee is made for. */
  readonly essential: boolean
}

export type Running = Service & { readonly child: Child; readonly address: string }

export type Services = {
  /**
   * Starts a service; `address` is shown to people.
   * @throws what `start` throws, and Error where the stack is being stopped
   */
  start<Started extends Child>(
    service: Service & { readonly address: (started: Started) => string },
    start: () => Promise<Started>,
  ): Promise<Started>
  /** In the order in which they were ready. */
  list(): readonly Running[]
  /** Resolves when an essential service has exited though nobody stopped it, with a sentence that says so. */
  readonly lost: Promise<string>
  /** Stops all, the last ready first. Starts that are under way are waited for, and undone. */
  stop(): Promise<void>
  /** Ends all at once, in no order. */
  kill(): void
}

/** Keeps watch over what is started. `report` takes a line about a service that has gone and is not essential. */
export const createServices = (report: (line: string) => void): Services => {
  const running: Running[] = []
  const lost = Promise.withResolvers<string>()
  const starting = new Set<Promise<unknown>>()
  let stopping = false

  const supervise = async ({ name, essential, child }: Running) => {
    const exit = await child.exited
    if (stopping) return
    const sentence = `${name} ${describeExit(exit)}`
    if (essential) lost.resolve(`${sentence}${tail(child.logFile)}`)
    else report(`${sentence}; the rest goes on without it (${child.logFile})`)
  }

  return {
    lost: lost.promise,
    list: () => running,
    start: async ({ name, essential, address }, start) => {
      if (stopping) throw new Error('the stack is being stopped')
      const attempt = start().then((child) => {
        const entry = { name, essential, child, address: address(child) }
        running.push(entry)
        void supervise(entry)
        return child
      })
      starting.add(attempt)
      return attempt.finally(() => starting.delete(attempt))
    },
    stop: async () => {
      stopping = true
      await Promise.allSettled(starting)
      for (const { child } of running.toReversed()) await child.stop()
    },
    kill: () => {
      stopping = true
      for (const { child } of running) child.kill()
    },
  }
}
