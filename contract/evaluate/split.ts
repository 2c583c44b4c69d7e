import type { Split } from './flags-document.ts'

/** Finds the arm whose share a bucket falls into: each begins where the one before it ends. */
export const createPlaces = (split: Split): ((bucket: number) => number) => {
  let sum = 0
  const ends = split.map(({ basisPoints }) => {
    sum += basisPoints
    return sum
  })
  return (bucket) => ends.findIndex((end) => bucket < end)
}
