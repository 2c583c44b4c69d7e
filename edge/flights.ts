import { withTimeLimit } from '#infra/time-limit.ts'

/** What a load was asked for: nothing below this version, nor anything that was read before `since` (ms since 1970). */
export type Demand = { readonly floor: number; readonly since: number }

/** A load that a request began or joined. */
export type Shared<Result> = { readonly result: Promise<Result>; readonly joined: boolean }

/** One load at a time for each key, shared by all who ask meanwhile. */
export type Flights<Result> = {
  /**
   * Joins the load of the key that is under way, if it was asked for at least as much and began less than `joinMs` ago, else
   * begins one. Rejects as the load does, and for one who joined when it takes too long. `keepAlive` is the request's that begins
   * it, whose caller may hang up.
   */
  share(
    key: string,
    flight: {
      readonly demand: Demand
      /** Milliseconds; where it is absent, a load is joined however long ago it began. */
      readonly joinMs?: number
      readonly load: () => Promise<Result>
      readonly keepAlive: (work: Promise<unknown>) => void
    },
  ): Shared<Result>
}

type Flight<Result> = { readonly demand: Demand; readonly begunAt: number; readonly result: Promise<Result> }

/** Loads under way in one isolate. Beyond that each request asks for itself. */
const flightsMax = 1_000

/** `maxMs`: how long one who joined waits; `onLate`: what they are rejected with after that. `clock`: milliseconds. */
export const createFlights = <Result>(options: {
  readonly maxMs: number
  readonly onLate: () => Error
  readonly clock: () => number
}): Flights<Result> => {
  const { maxMs, onLate, clock } = options
  const flights = new Map<string, Flight<Result>>()
  const land = (key: string, flight: Flight<Result>) => void (flights.get(key) === flight && flights.delete(key))
  /** The runtime may have ended the request that began it, and nobody is to join it any more. */
  const giveUp = (key: string, flight: Flight<Result>): Error => {
    land(key, flight)
    return onLate()
  }
  const mayJoin = (flight: Flight<Result>, { floor, since }: Demand, joinMs: number) =>
    // When a load began cannot be compared with a time of another clock: who wants nothing older asks for themselves.
    flight.demand.floor >= floor && since === 0 && clock() - flight.begunAt < joinMs
  return {
    share: (key, { demand, joinMs = Number.POSITIVE_INFINITY, load, keepAlive }) => {
      const running = flights.get(key)
      if (running && mayJoin(running, demand, joinMs))
        return { result: withTimeLimit(running.result, maxMs, () => giveUp(key, running)), joined: true }
      const begunAt = clock()
      const result = load()
      if (flights.size < flightsMax) {
        const flight = { demand, begunAt, result }
        flights.set(key, flight)
        const landed = () => land(key, flight)
        keepAlive(result.then(landed, landed))
      }
      return { result, joined: false }
    },
  }
}
