/** The least figure that `share` of them do not pass, by nearest rank; NaN of none. */
export const quantileOf = (figures: readonly number[], share: number): number =>
  figures.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(share * figures.length) - 1)] ?? Number.NaN
