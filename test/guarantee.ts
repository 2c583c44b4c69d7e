/** Whether the long form was asked for, by `npm run test:long -- <name>`. */
const isLong = process.env.PERIGEE_LONG === '1'

/** The figure of a guarantee's form: a short one in `npm test`, the long one by name. */
export const sized = <Figure>(figures: { readonly short: Figure; readonly long: Figure }): Figure =>
  isLong ? figures.long : figures.short

/** What random choices of a guarantee begin with; `PERIGEE_SEED` repeats a run. */
export const seed = Number(process.env.PERIGEE_SEED ?? Date.now() % 2 ** 31)

/** Repeatable choices, so that a run can be told again by its seed. (mulberry32) */
export const createRandom = (from: number = seed): (() => number) => {
  let state = from
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** One line with what was done and what was seen. */
export const tell = (name: string, figures: Readonly<Record<string, string | number>>): void => {
  const told = Object.entries(figures).map(([figure, value]) => `${figure} ${value}`)
  console.log(`${name} (${isLong ? 'long' : 'short'}): seed ${seed}, ${told.join(', ')}`)
}
