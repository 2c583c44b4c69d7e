/** The figure below which `share` of them lie; NaN of none. */
export const quantileOf = (figures: readonly number[], share: number): number =>
  figures.toSorted((a, b) => a - b)[Math.min(figures.length - 1, Math.floor(share * figures.length))] ?? Number.NaN
