/** Often enough that two looks fit between the end of patience and the moment at which a caller must have an answer. */
const lookEveryMs = 25
/** A look that is later than this says that this process did not run, and nothing of the database. */
const lateMs = 50
/** A database that is well has answered something by then; where it has not, it is asked something that costs nothing. */
const askAfterMs = 25
/**
 * Nothing heard for this long. With two looks it leaves a third of the 300 ms that a write may wait for its refusal. From a server
 * that lived, on two cores with eight times the work that they could do, nothing was heard for 57 ms at the longest.
 */
const quietMaxMs = 150
/** The question has been on its way for this long: the last quiet moment can have begun before it. */
const answerMaxMs = 100
/** A single look can fall on a process that was just put aside; two on end, both in time, do not. */
const looksMin = 2

/** Tells a database that is silent from one that is slow. Whoever sends it something says so, and says what came of it. */
export type Pulse = {
  /** Something was sent, or waits to be. */
  begin(): void
  /** It has ended; `heard` where the server has said something, be it an error. */
  end(heard: boolean): void
  /** It asks on a new connection from now on, and judges nothing before that has been answered once. */
  reconnect(): void
  /** No more looks. */
  stop(): void
}

export type PulseOptions = {
  /** Asks the server something that waits for nothing, on a connection of its own; rejects as the connection does. */
  readonly ask: () => Promise<unknown>
  /** Whether an error of `ask` is the server's word. */
  readonly isWord: (error: unknown) => boolean
  /** Called at each look, with `performance.now()`. */
  readonly onLook: (now: number) => void
  /** Called once: something is awaited, and the server says nothing to anybody. No look follows. */
  readonly onSilent: () => void
}

/**
 * Looks every 25 ms while anything is awaited, and never else. A server that answers others is not silent, nor is one that
 * answers what costs it nothing. It is asked with the first thing that is sent; until it has answered that once, on the
 * connection on which it is asked now, it is not judged, as to connect takes its time.
 *
 * A look is taken after the sockets have been read: what has arrived while this process was busy has been heard by then.
 */
export const createPulse = ({ ask, isWord, onLook, onSilent }: PulseOptions): Pulse => {
  let awaited = 0
  let quietSince = 0
  let askedAt: number | undefined
  let hasAnswered = false
  let silentLooks = 0
  let isLooking = false
  let isStopped = false

  const hear = () => {
    quietSince = performance.now()
  }

  const askNow = () => {
    askedAt = performance.now()
    ask()
      .then(
        () => {
          hasAnswered = true
          hear()
        },
        (error: unknown) => {
          if (isWord(error)) hear()
        },
      )
      .finally(() => {
        askedAt = undefined
      })
  }

  const schedule = () => {
    isLooking = true
    const dueAt = performance.now() + lookEveryMs
    setTimeout(() => setImmediate(look, dueAt), lookEveryMs)
  }

  const look = (dueAt: number) => {
    isLooking = false
    if (isStopped) return
    const now = performance.now()
    onLook(now)
    if (awaited === 0) return
    silentLooks = isSilent(now) && now - dueAt <= lateMs ? silentLooks + 1 : 0
    if (silentLooks === looksMin) {
      isStopped = true
      return onSilent()
    }
    if (askedAt === undefined && now - quietSince >= askAfterMs) askNow()
    schedule()
  }

  const isSilent = (now: number) =>
    hasAnswered && askedAt !== undefined && now - askedAt >= answerMaxMs && now - quietSince >= quietMaxMs

  return {
    begin: () => {
      awaited++
      if (isStopped) return
      // Whoever is to tell silence later must have been answered once, before it.
      if (!hasAnswered && askedAt === undefined) askNow()
      if (awaited > 1) return
      quietSince = performance.now()
      silentLooks = 0
      if (!isLooking) schedule()
    },
    end: (heard) => {
      awaited--
      if (heard) hear()
    },
    reconnect: () => {
      hasAnswered = false
    },
    stop: () => {
      isStopped = true
    },
  }
}
