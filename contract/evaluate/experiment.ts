import type { Miss } from './evaluation.ts'
import type { Experiment } from './flags-document.ts'
import { bucketOf, seedOf } from './hash.ts'
import { createPlaces } from './split.ts'

/**
 * Draws units of one run of an experiment: the place of the arm in its split, or why there is none. Three independent draws, so
 * that the traffic can grow without a unit changing its variant, and groups share out units whatever their experiments do.
 */
export const createAssignment = (key: string, experiment: Experiment): ((unit: Uint8Array) => number | Miss) => {
  const { run, exclusion, trafficBasisPoints, split } = experiment
  const groupSeed = exclusion ? seedOf(`group/${exclusion.group}`) : 0
  const trafficSeed = seedOf(`experiment/${key}/${run}/traffic`)
  const variantSeed = seedOf(`experiment/${key}/${run}/variant`)
  const placeOf = createPlaces(split)
  return (unit) => {
    if (exclusion) {
      const place = bucketOf(groupSeed, unit)
      if (place < exclusion.from || place >= exclusion.to) return 'exclusion'
    }
    if (bucketOf(trafficSeed, unit) >= trafficBasisPoints) return 'traffic'
    return placeOf(bucketOf(variantSeed, unit))
  }
}
