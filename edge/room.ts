import { withTimeLimit } from '#infra/time-limit.ts'

/** The room of an isolate for calls to one cell. */
export type Room = {
  /**
   * Does the work once there is room for it, which it waits for a moment; `urgent` work has room left that nothing else takes, and
   * goes first. Rejects with `NoRoom` where there is none, and else as the work does.
   */
  run<Result>(options: RoomOptions, work: () => Promise<Result>): Promise<Result>
}

export type RoomOptions = {
  readonly isUrgent: boolean
  /** When the work has ended in any case, ms since 1970: it has a time limit of its own. */
  readonly endsAt: number
}

/** The work was not begun: too much is under way. */
export class NoRoom extends Error {}

/**
 * An isolate has 128 MB, a quarter of which is its cache. A call holds its body and then its answer, as a rule far below the 64 KiB
 * that either may have: 256 of them stay below another quarter. At 50 ms each that is 5,000 calls a second, more than an isolate
 * gets done, so there is no room only where a core has become slow.
 */
const callsMax = 256
/** Kept for what is urgent: an eighth. */
const urgentOnly = 32
/** As many again wait, for no longer than a person notices: by then each place has been free a few times. */
const waitingMax = 256
const waitMaxMs = 200
/** Work that has not ended so long after its time limit never will: the runtime has ended the request that it belonged to. */
const overdueMs = 1_000

type Place = { readonly endsAt: number }
type Waiter = Place & { readonly isUrgent: boolean; readonly enter: (place: Place) => void }

export const createRoom = (clock: () => number): Room => {
  const taken = new Set<Place>()
  const waiting = new Set<Waiter>()

  const hasRoom = (isUrgent: boolean) => taken.size < (isUrgent ? callsMax : callsMax - urgentOnly)
  const take = ({ endsAt }: Place): Place => {
    const place = { endsAt }
    taken.add(place)
    return place
  }
  const letIn = () => {
    if (waiting.size === 0) return
    for (const isUrgent of [true, false])
      for (const waiter of waiting) {
        if (!hasRoom(isUrgent)) break
        if (waiter.isUrgent !== isUrgent) continue
        waiting.delete(waiter)
        waiter.enter(take(waiter))
      }
  }
  const leave = (place: Place) => {
    taken.delete(place)
    letIn()
  }
  /** Of a request that the runtime has ended nothing is heard any more, so its place is taken back by the clock. */
  const takeBack = () => {
    const now = clock()
    for (const place of taken) if (place.endsAt + overdueMs <= now) taken.delete(place)
    for (const waiter of waiting) if (waiter.endsAt <= now) waiting.delete(waiter)
    letIn()
  }
  const enter = async ({ isUrgent, endsAt }: RoomOptions): Promise<Place> => {
    const entered = Promise.withResolvers<Place>()
    const waiter: Waiter = { isUrgent, endsAt, enter: entered.resolve }
    waiting.add(waiter)
    // In the same turn as the time runs out: whoever leaves then must not keep a place for it.
    const onLate = () => {
      waiting.delete(waiter)
      return new NoRoom(`no room within ${waitMaxMs} ms`)
    }
    return withTimeLimit(entered.promise, Math.min(waitMaxMs, endsAt - clock()), onLate)
  }

  return {
    run: async (options, work) => {
      if (!hasRoom(options.isUrgent)) takeBack()
      const isFull = !hasRoom(options.isUrgent)
      if (isFull && waiting.size >= waitingMax) throw new NoRoom(`more than ${waitingMax} calls are waiting`)
      const place = isFull ? await enter(options) : take(options)
      try {
        return await work()
      } finally {
        leave(place)
      }
    },
  }
}
