import type { Address } from './connection.ts'
import { openPool } from './pool.ts'

export type LoadOptions = {
  readonly address: Address
  readonly connections: number
  readonly seconds: number
  /** Sent in this order, each once; when they are used up the window ends early. */
  readonly requests: readonly Buffer[]
  /** Requests a second, due whatever became of those before; absent: each connection sends when it has its answer. */
  readonly rate?: number
  /** The status that each answer must have; any of 2xx where it is absent. */
  readonly status?: number
}

export type Load = {
  /** Requests that were sent, those included whose answers came after the window. */
  readonly sent: number
  /** Answers within the window; at a rate, to all that was due in it. */
  readonly answered: number
  /** The window. */
  readonly seconds: number
  /** Of what was answered; at a rate each counts from the time at which its request was due. */
  readonly latenciesMs: readonly number[]
  /** How long after it was due each request was written; nothing in a closed loop. */
  readonly lateMs: readonly number[]
  /** Answers of another status than the one that is wanted, lost connections, answers that stayed out: how many by what they were. */
  readonly errors: Readonly<Record<string, number>>
}

/** How long answers are waited for once nothing more is sent: twice the deadline that a request states. */
const drainMaxMs = 10_000
/** No timer of Node is finer. Answers wake the loop as well, so most requests at a rate are written sooner. */
const tickMs = 1

/** Sends requests for a while and tells how they were answered. @throws Error when nobody listens, or all hang up */
export const runLoad = async (options: LoadOptions): Promise<Load> => {
  const { requests, seconds, rate } = options
  const latenciesMs: number[] = []
  const lateMs: number[] = []
  const errors: Record<string, number> = {}
  const over = Promise.withResolvers<void>()
  let sent = 0

  const isWanted = (status: number) =>
    options.status === undefined ? status >= 200 && status <= 299 : status === options.status
  const countError = (what: string) => {
    errors[what] = (errors[what] ?? 0) + 1
  }
  /** Sends what is due, as far as connections are free. */
  const pump = () => {
    const now = performance.now()
    for (;;) {
      const request = requests[sent]
      const due = schedule.dueOf(sent, now)
      if (request === undefined || due === undefined) break
      if (due > now || !pool.send(request, due)) return
      sent++
      if (rate !== undefined) lateMs.push(now - due)
    }
    schedule.endsAt = Math.min(schedule.endsAt, now)
    if (pool.underWay() === 0) over.resolve()
  }
  const pool = await openPool(options.address, options.connections, {
    onAnswer: (status, due) => {
      const now = performance.now()
      if (!isWanted(status)) countError(String(status))
      if (rate !== undefined || now <= schedule.endsAt) latenciesMs.push(now - due)
      pump()
    },
    onLost: (why) => {
      countError(why)
      if (pool.open() === 0) over.reject(new Error(`every connection was lost: ${why}`))
      else pump()
    },
  })
  const startedAt = performance.now()
  const schedule = createSchedule(startedAt, options)
  pump()
  const ticks = rate === undefined ? undefined : setInterval(pump, tickMs)
  const giveUp = () => {
    for (let missing = pool.underWay(); missing > 0; missing--) countError('no answer')
    over.resolve()
  }
  const timer = setTimeout(giveUp, seconds * 1_000 + drainMaxMs)
  try {
    await over.promise
  } finally {
    clearInterval(ticks)
    clearTimeout(timer)
    pool.close()
  }
  const window = rate === undefined ? (schedule.endsAt - startedAt) / 1_000 : seconds
  return { sent, answered: latenciesMs.length, seconds: window, latenciesMs, lateMs, errors }
}

type Schedule = {
  /** When a request is due, as `performance.now()` counts; undefined when no more are sent. */
  dueOf(position: number, now: number): number | undefined
  /** Of a closed loop: answers after this are not counted. */
  endsAt: number
}

const createSchedule = (startedAt: number, { seconds, rate }: LoadOptions): Schedule => {
  const endsAt = startedAt + seconds * 1_000
  if (rate === undefined) return { dueOf: (_, now) => (now < endsAt ? now : undefined), endsAt }
  const times = poissonTimes(rate, seconds).map((ms) => startedAt + ms)
  return { dueOf: (position) => times[position], endsAt }
}

/** Arrivals that know nothing of each other, milliseconds from the start: what pgbench does with a rate, too. */
const poissonTimes = (rate: number, seconds: number): number[] => {
  const times: number[] = []
  for (let at = 0; ; times.push(at)) {
    at += (-Math.log(1 - Math.random()) * 1_000) / rate
    if (at > seconds * 1_000) return times
  }
}
