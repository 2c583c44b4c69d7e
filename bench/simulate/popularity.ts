/** Neighbours in popularity, of which some stand for all. */
export type Stratum = {
  /** How many things it has. */
  readonly things: number
  /** How many of them are simulated; from 1 to `things`. */
  readonly sampled: number
  /** What share of all reads goes to the stratum, from 0 to 1. */
  readonly share: number
  /** What share of the things that crowds look at is in it, from 0 to 1. */
  readonly crowdShare: number
}

/** For how many things a simulated one stands. */
export const weightOf = ({ things, sampled }: Stratum): number => things / sampled

/** Ranks up to this are summed one by one; beyond it the sum is as good as an integral. */
const exactRanks = 1_000

/** Sum of `rank ** -exponent` over ranks from `first` to below `end`. */
export const massOf = (exponent: number, first: number, end: number): number => {
  let sum = 0
  const exactEnd = Math.min(end, exactRanks + 1)
  for (let rank = first; rank < exactEnd; rank++) sum += rank ** -exponent
  const from = Math.max(first, exactEnd)
  return from < end ? sum + integral(exponent, from - 0.5, end - 0.5) : sum
}

const integral = (exponent: number, from: number, to: number): number =>
  Math.abs(exponent - 1) < 1e-9 ? Math.log(to / from) : (to ** (1 - exponent) - from ** (1 - exponent)) / (1 - exponent)

/**
 * Zipf's law over `things`, cut into strata in which nobody is more than `1 + growth` times as popular as another. Of each
 * stratum one in `keepOneIn` is simulated, at least one. `growth` 0: each thing by itself, for runs that leave nothing out.
 * `crowd`: how many of the most popular a crowd at an event looks at, all alike.
 */
export const stratify = (options: {
  readonly things: number
  readonly exponent: number
  readonly keepOneIn: number
  readonly growth: number
  readonly crowd: number
}): Stratum[] => {
  const { things, exponent, keepOneIn, growth, crowd } = options
  const total = massOf(exponent, 1, things + 1)
  const strata: Stratum[] = []
  for (let first = 1; first <= things; ) {
    // Where one of many is taken anyway, narrow strata cost nothing.
    const step = first < keepOneIn ? growth : growth / 8
    const wanted = Math.max(first + 1, Math.floor(first * (1 + step)))
    // Whom the crowd looks at stands in strata of their own.
    const end = Math.min(things + 1, first <= crowd ? Math.min(wanted, crowd + 1) : wanted)
    const count = end - first
    strata.push({
      things: count,
      sampled: Math.max(1, Math.round(count / keepOneIn)),
      share: massOf(exponent, first, end) / total,
      crowdShare: first <= crowd ? count / Math.min(crowd, things) : 0,
    })
    first = end
  }
  return strata
}
