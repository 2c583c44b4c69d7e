import type { Log } from '#infra/log.ts'

/** Notes under what name something is waited for, until it is over. */
export type Track = <Result>(name: string, work: Promise<Result>) => Promise<Result>

/** Where nobody wants to know. */
export const untracked: Track = (_, work) => work

export type DrainOptions = {
  /** Begins at once to claim nothing new; resolves when what was claimed is done. */
  readonly stopWork: (track: Track) => Promise<void>
  /** Serves on until nobody sends any more. */
  readonly linger: () => Promise<void>
  /** Takes no more connections; resolves when every request has its answer. */
  readonly closeServer: () => Promise<void>
  /** Requests that have no answer yet. */
  readonly underWay: () => number
  /** What all of that used, by name; closed last. */
  readonly closings: Readonly<Record<string, () => Promise<unknown>>>
  readonly log: Log
  readonly exit: (code: number) => void
}

/** Cloud Run ends a process ten seconds after it asked it to stop, and whoever starts processes here does so too. */
const drainMaxMs = 7_500

/**
 * Ends the process in order: work and balancers' trust first, then the listener, then what they used. Exits with 0 when all of it
 * is over, with 1 where something failed, or hung for `drainMaxMs`, which is then named. Called again, as by a second signal, it
 * changes nothing.
 */
export const createDrain = (options: DrainOptions): ((signal: string) => void) => {
  const { log, exit } = options
  const pending = new Set<string>()
  const failed: string[] = []
  const track: Track = async (name, work) => {
    pending.add(name)
    try {
      return await work
    } finally {
      pending.delete(name)
    }
  }
  /** A part that fails keeps no other from its end. */
  const settle = async (name: string, work: Promise<unknown>): Promise<void> => {
    try {
      await work
    } catch (error) {
      failed.push(name)
      log.error('a part did not stop as it should', error, { part: name })
    }
  }
  const end = (name: string, work: Promise<unknown>) => settle(name, track(name, work))
  const cut = () => {
    const fields = { pending: [...pending].join(', '), requests: options.underWay() }
    log.error('the stop took too long and was cut', new Error(`${drainMaxMs} ms are over`), fields)
    exit(1)
  }
  const drain = async (signal: string) => {
    log.info('stopping', { signal })
    const timer = setTimeout(cut, drainMaxMs)
    const work = settle('work', options.stopWork(track))
    await settle('linger', options.linger())
    await Promise.all([work, end('requests', options.closeServer())])
    await Promise.all(Object.entries(options.closings).map(([name, close]) => end(name, close())))
    clearTimeout(timer)
    log.info('stopped')
    exit(failed.length === 0 ? 0 : 1)
  }
  let begun = false
  return (signal) => {
    if (begun) return
    begun = true
    void drain(signal)
  }
}
