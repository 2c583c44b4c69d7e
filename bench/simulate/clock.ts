/** Time that passes only when it is told to. Milliseconds since 1970, whole. */
export type VirtualClock = {
  now(): number
  /** Resolves when so much has passed, rounded up to whole steps, one at least. */
  after(ms: number): Promise<void>
  /** Runs `work` when so much has passed, the same. */
  schedule(ms: number, work: () => void): void
  /**
   * Lets time pass up to `endMs`, step by step: first what was due, then `each`, which tells whether it began anything that goes
   * on by itself. All of that has come to rest before the next step begins.
   */
  runTo(endMs: number, each: (nowMs: number) => boolean): Promise<void>
}

/** Well after 1970: an entry of that time would be older than any life. */
const startMs = Date.UTC(2026, 0, 1)

/** @param stepMs how finely time passes: the coarser, the quicker, for whatever happens in a step happens at its end */
export const createVirtualClock = (stepMs: number): VirtualClock => {
  let nowMs = startMs
  // Few different delays are ever asked for, so a list for each millisecond is cheaper than a heap.
  const due = new Map<number, (() => void)[]>()

  const schedule = (ms: number, work: () => void) => {
    const at = nowMs + Math.max(1, Math.ceil(ms / stepMs)) * stepMs
    const works = due.get(at)
    if (works) works.push(work)
    else due.set(at, [work])
  }
  return {
    now: () => nowMs,
    schedule,
    after: (ms) => new Promise((resolve) => schedule(ms, resolve)),
    runTo: async (endMs, each) => {
      while (nowMs < endMs) {
        nowMs += stepMs
        const works = due.get(nowMs)
        if (works) {
          due.delete(nowMs)
          for (const work of works) work()
        }
        // An immediate comes after every promise that can go on without us.
        if (each(nowMs) || works) await new Promise(setImmediate)
      }
    },
  }
}
