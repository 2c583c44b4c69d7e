import type { BusMessage, DeadLetter, Subscriber } from './event-bus.ts'

/** Deliveries of one message to one subscriber; after the last one it is a dead letter. */
export const deliveriesMax = 10

const pauseMinMs = 100
const pauseMaxMs = 5_000

/** Told of each refusal that counts against a message, with what is then done with it. */
export type OnRefused = (refusal: {
  readonly subscription: string
  readonly message: BusMessage
  readonly attempt: number
  readonly error: unknown
  readonly next: 'comes again' | 'is buried'
}) => void

export type DeliverOptions = {
  readonly message: BusMessage
  /** Which delivery of this message to this subscriber it is; the first is 1. */
  readonly attempt: number
  readonly bury: (letter: DeadLetter) => Promise<void>
  /** How long the message is kept in hand while what its subscriber works on is away. */
  readonly holdMaxMs: number
  /** Ends the holding: what is in hand is given back. */
  readonly signal: AbortSignal
  readonly onRefused: OnRefused
}

/**
 * Hands a message to a subscriber. True: it is done with, taken or buried. False: it has to come again.
 *
 * A failure counts against the message only while what the subscriber works on is there. In an outage the message is held
 * and tried again, so that no outage makes dead letters. What refuses a dead letter gets it again, for ever.
 */
export const deliver = async (subscriber: Subscriber, options: DeliverOptions): Promise<boolean> => {
  const { message, attempt, bury, holdMaxMs, signal, onRefused } = options
  const subscription = subscriber.name
  const holdUntil = performance.now() + holdMaxMs
  for (let pauseMs = pauseMinMs; ; pauseMs = Math.min(2 * pauseMs, pauseMaxMs)) {
    const error = await failureOf(subscriber.handle(message))
    if (error === undefined) return true
    const away = (await failureOf(subscriber.available())) !== undefined
    if (!away) {
      const last = attempt >= deliveriesMax && subscriber.topic !== 'dead-letters'
      onRefused({ subscription, message, attempt, error, next: last ? 'is buried' : 'comes again' })
      if (!last) return false
      const letter = { subscription, message, reason: `${error.name}: ${error.message}`, attempts: attempt }
      return (await failureOf(bury(letter))) === undefined
    }
    if (signal.aborted || performance.now() + pauseMs > holdUntil) return false
    await rest(pauseMs, signal)
  }
}

const failureOf = (work: Promise<void>): Promise<Error | undefined> =>
  work.then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
  )

const rest = (ms: number, signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end)
  })
