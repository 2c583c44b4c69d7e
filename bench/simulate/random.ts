/** From 0 to below 1. */
export type Random = () => number

/** Choices that a seed repeats, on every machine alike. (sfc32) */
export const createRandom = (seed: number): Random => {
  let a = seed | 0
  let b = 0x9e3779b9 | 0
  let c = 0x243f6a88 | 0
  let counter = 1
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return (sum >>> 0) / 2 ** 32
  }
  // The first numbers of neighbouring seeds are alike.
  for (let round = 0; round < 16; round++) next()
  return next
}

/** The seed of a part of a run, by its name: what one part draws changes nothing for another, in whatever order they are run. */
export const seedOf = (seed: number, name: string): number => {
  let hash = 0x811c9dc5 ^ seed
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193)
  return hash >>> 0
}

/**
 * Picks an index with a chance proportional to its weight, in constant time (Vose's alias method). Weights are not negative and
 * not all zero. @see https://doi.org/10.1109/32.92917
 */
export const createPicker = (weights: readonly number[]): ((random: Random) => number) => {
  const size = weights.length
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  if (!(total > 0)) throw new Error('there is nothing to pick from')
  const chances = Float64Array.from(weights, (weight) => (weight * size) / total)
  const others = new Uint32Array(size)
  const small: number[] = []
  const large: number[] = []
  for (const [index, chance] of chances.entries()) (chance < 1 ? small : large).push(index)
  for (let less = small.pop(), more = large.at(-1); less !== undefined && more !== undefined; ) {
    others[less] = more
    const left = (chances[more] ?? 0) + (chances[less] ?? 0) - 1
    chances[more] = left
    if (left < 1) {
      large.pop()
      small.push(more)
    }
    less = small.pop()
    more = large.at(-1)
  }
  // What is left over by rounding keeps its own place.
  for (const index of [...small, ...large]) chances[index] = 1
  return (random) => {
    const at = random() * size
    const index = Math.floor(at)
    return at - index < (chances[index] ?? 1) ? index : (others[index] ?? index)
  }
}

/**
 * Arrivals of several kinds, each by itself at `perMs[kind]` a millisecond (Poisson). `next` answers with the kind of the next one
 * up to `nowMs`, or -1 when there is none yet.
 */
export const createArrivals = (perMs: readonly number[], random: Random, startMs: number) => {
  const totalPerMs = perMs.reduce((sum, rate) => sum + rate, 0)
  if (totalPerMs === 0) return { next: () => -1 }
  const pick = createPicker(perMs)
  const gapMs = () => -Math.log(1 - random()) / totalPerMs
  let at = startMs + gapMs()
  return {
    next: (nowMs: number): number => {
      if (at > nowMs) return -1
      at += gapMs()
      return pick(random)
    },
  }
}
