/**
 * Whether a request's trace is recorded, by the edge and all behind it. `isAsked`: its caller records it too.
 * Decided once a request.
 */
export type Sample = (isAsked: boolean) => boolean

/** Of an isolate's requests in one second, as many as a caller who looks for something needs, and no load to speak of. */
export const askedPerSecondMax = 10

/**
 * Samples a share of all requests, and those whose callers ask for it, `askedPerSecondMax` an isolate and second: what is recorded costs
 * us, and a header costs nobody anything. Above that a request that asks is as likely to be recorded as any other.
 *
 * @param share 0 to 1
 */
export const createSampling = ({
  share,
  clock,
  random,
}: {
  readonly share: number
  readonly clock: () => number
  readonly random: () => number
}): Sample => {
  let second = 0
  let asked = 0
  const isGranted = (): boolean => {
    const now = Math.floor(clock() / 1_000)
    if (now !== second) {
      second = now
      asked = 0
    }
    asked++
    return asked <= askedPerSecondMax
  }
  return (isAsked) => (isAsked && isGranted()) || random() < share
}
