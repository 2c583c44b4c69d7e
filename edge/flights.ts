import { withTimeLimit } from '#infra/time-limit.ts'

/** What a load was asked for: nothing below this version, nor anything that was read before `since` (ms since 1970). */
export type Demand = { readonly floor: number; readonly since: number }

/** A load that a request began or joined. */
export type Shared<Result> = { readonly result: Promise<Result>; readonly joined: boolean }

/** One load at a time for each key, shared by all who ask meanwhile. */
export type Flights<Result> = {
  /**
   * Joins the load of the key that is under way, if it was asked for at least as much, else begins one. Rejects as the load
   * does, and for one who joined when it takes too long. `keepAlive` is the request's that begins it, whose caller may hang up.
   */
  share(
    key: string,
    flight: {
      readonly demand: Demand
      readonly load: () => Promise<Result>
      readonly keepAlive: (work: Promise<unknown>) => void
    },
  ): Shared<Result>
}

type Flight<Result> = { readonly demand: Demand; readonly result: Promise<Result> }

/** Loads under way in one isolate. Beyond that each request asks for itself. */
const flightsMax = 1_000

/** @param waiting how long one who joined waits, ms, and what they are rejected with after that */
export const createFlights = <Result>(waiting: {
  readonly maxMs: number
  readonly onLate: () => Error
}): Flights<Result> => {
  const flights = new Map<string, Flight<Result>>()
  const land = (key: string, flight: Flight<Result>) => void (flights.get(key) === flight && flights.delete(key))
  /** The runtime may have ended the request that began it, and nobody is to join it any more. */
  const onLate = (key: string, flight: Flight<Result>): Error => {
    land(key, flight)
    return waiting.onLate()
  }
  return {
    share: (key, { demand, load, keepAlive }) => {
      const running = flights.get(key)
      // When a load began cannot be compared with a time of another clock: who wants nothing older asks for themselves.
      if (running && running.demand.floor >= demand.floor && demand.since === 0)
        return { result: withTimeLimit(running.result, waiting.maxMs, () => onLate(key, running)), joined: true }
      const result = load()
      if (flights.size < flightsMax) {
        const flight = { demand, result }
        flights.set(key, flight)
        const landed = () => land(key, flight)
        keepAlive(result.then(landed, landed))
      }
      return { result, joined: false }
    },
  }
}
