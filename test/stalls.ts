const lookEveryMs = 10

/** Times are ms since 1970. */
export type Stalls = {
  /** Whether this process stood still at some time between two others. */
  readonly meet: (from: number, to: number) => boolean
  readonly stop: () => void
}

/**
 * Notes when this process stood still for `leastMs` or longer. Whatever went through it then was late by the machine's doing, and
 * says nothing of what a test measures.
 */
export const watchStalls = (leastMs: number): Stalls => {
  const stalls: { readonly from: number; readonly to: number }[] = []
  let lookedAt = Date.now()
  const timer = setInterval(() => {
    const now = Date.now()
    if (now - lookedAt - lookEveryMs >= leastMs) stalls.push({ from: lookedAt, to: now })
    lookedAt = now
  }, lookEveryMs)
  return {
    meet: (from, to) => stalls.some((stall) => stall.from <= to && stall.to >= from),
    stop: () => clearInterval(timer),
  }
}

const playsMax = 10

/** Plays a scene anew while this process stands still for `leastMs` or longer in it. */
export const undisturbed = async <Outcome>(leastMs: number, scene: () => Promise<Outcome>): Promise<Outcome> => {
  for (let plays = 1; ; plays++) {
    const stalls = watchStalls(leastMs)
    const beganAt = Date.now()
    const outcome = await scene()
    stalls.stop()
    if (plays === playsMax || !stalls.meet(beganAt, Date.now())) return outcome
  }
}
