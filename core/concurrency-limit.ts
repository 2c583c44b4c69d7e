/** How many requests may be under way at once, as latency tells. */
export type ConcurrencyLimit = {
  /** A whole number of requests. */
  current(): number
  /** Whether it is lower than it could be, for a second at the most, so that what is normal can be seen. */
  isLooking(): boolean
  /** A request has been answered; `inFlight` counts those that were under way with it, itself included. */
  note(answered: Answered, inFlight: number): void
}

/** What was answered, by a name that all requests of its kind share, and how long it took. */
export type Answered = { readonly kind: string; readonly durationMs: number }

export type ConcurrencyLimitOptions = {
  /** Before anything is known. Near what the database works on at once, so that the first latencies hold no queue of ours. */
  readonly initial: number
  /** The limit stays within these two. */
  readonly min: number
  readonly max: number
  /** Milliseconds, from any start. */
  readonly clock: () => number
}

/** Long enough to hold many answers, short enough to follow the start of an event. */
const windowMs = 250
/** Fewer say nothing. */
const windowAnswersMin = 10
/** Latency may be so many times what is normal before the limit falls: below that it is the noise of a loaded machine. */
const tolerance = 1.5
/** What one window takes away at the most: a pause of the machine is no reason to begin anew. */
const gradientMin = 0.5
/** How much of each window's finding is believed. */
const smoothing = 0.5
/** How fast what is normal follows what is seen. It falls fast: nothing is faster than it can be without a queue. */
const normalRises = 0.05
const normalFalls = 0.3
/** After so many windows in which latency held the limit down, some twenty seconds, it is looked at whether what is normal has changed. */
const heldWindowsMax = 80
/** With a third of the requests under way there is no queue: the limit settles at half again as many as are worked on, and its root. */
const lookShare = 1 / 3
/** A look that takes longer waits for requests which are slow whatever is let in, and keeps everybody else out meanwhile. */
const lookMaxMs = 1_000

/**
 * Gradient2: the limit grows by its root while latency is normal, and shrinks by as much as latency is above that.
 *
 * Two things differ from the published algorithm. What is normal is known by kind of request, and so is slowness; that of the
 * request in the middle counts: more of what is dear is no slowness, nor is a kind that waits for something of its own, as
 * passwords do for a thread and sign-ups for another cell. And what is normal does not rise by what is seen while the limit is in use, for that
 * contains our own queue: the original learns an overload that lasts as its normal state, and lets more in, again and again. But
 * a database can become slower for good. So a limit that is held down goes to a third now and then, for half a second: there is no
 * queue then, and what is seen is believed.
 *
 * @see https://github.com/Netflix/concurrency-limits
 */
export const createConcurrencyLimit = ({ initial, min, max, clock }: ConcurrencyLimitOptions): ConcurrencyLimit => {
  const normal = new Map<string, number>()
  let limit = initial
  let window = openWindow(clock())
  /** Windows since the last look in which latency held the limit down. */
  let heldWindows = 0
  /** While it is looked at what is normal: the limit before. */
  let resumeAt: number | undefined
  let lookedSince = 0

  /** By how many times what is normal the requests of the window took longer: half of them are of a kind that took no longer. */
  const slowness = (): number => {
    const kinds = [...window.kinds].map(([kind, { sumMs, count }]) => {
      const seen = sumMs / count
      return { count, times: seen / (normal.get(kind) ?? seen) }
    })
    let passed = 0
    for (const { count, times } of kinds.sort((a, b) => a.times - b.times)) {
      passed += count
      if (2 * passed >= window.answers) return times
    }
    return 1
  }

  /** How much of what is seen above what is normal is believed: none of it while there may be a queue of ours. */
  const learn = (rises: number) => {
    for (const [kind, { sumMs, count }] of window.kinds) {
      const seen = sumMs / count
      const known = normal.get(kind) ?? seen
      normal.set(kind, known + (seen < known ? normalFalls : rises) * (seen - known))
    }
  }

  const follow = () => {
    const inUse = window.mostInFlight >= limit / 2
    learn(inUse ? 0 : normalRises)
    if (!inUse) return
    const times = slowness()
    const gradient = Math.min(1, Math.max(gradientMin, tolerance / times))
    const found = limit * gradient + Math.sqrt(limit)
    limit = Math.min(max, Math.max(min, limit + smoothing * (found - limit)))
    if (times <= tolerance || ++heldWindows < heldWindowsMax) return
    resumeAt = limit
    lookedSince = clock()
    limit = Math.max(min, limit * lookShare)
  }

  /** Waits until those are answered that were let in before. */
  const lookAtNormal = (resume: number) => {
    if (window.mostInFlight > Math.max(limit, 1)) return
    learn(1)
    endLook(resume)
  }

  const endLook = (resume: number) => {
    limit = resume
    resumeAt = undefined
    heldWindows = 0
  }

  const closeWindow = () => {
    if (resumeAt === undefined) follow()
    else lookAtNormal(resumeAt)
    window = openWindow(clock())
  }

  const endLateLook = () => {
    if (resumeAt !== undefined && clock() - lookedSince > lookMaxMs) endLook(resumeAt)
  }

  return {
    current: () => {
      endLateLook()
      return Math.floor(limit)
    },
    isLooking: () => {
      endLateLook()
      return resumeAt !== undefined
    },
    note: ({ kind, durationMs }, inFlight) => {
      const sum = window.kinds.get(kind) ?? { sumMs: 0, count: 0 }
      window.kinds.set(kind, { sumMs: sum.sumMs + durationMs, count: sum.count + 1 })
      window.answers++
      window.mostInFlight = Math.max(window.mostInFlight, inFlight)
      if (window.answers >= windowAnswersMin && clock() - window.openedAt >= windowMs) closeWindow()
    },
  }
}

const openWindow = (openedAt: number) => ({
  openedAt,
  answers: 0,
  mostInFlight: 0,
  kinds: new Map<string, { sumMs: number; count: number }>(),
})
