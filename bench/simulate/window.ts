import { createModel } from './model.ts'
import { stratify } from './popularity.ts'
import { allReadsOf, type Scenario, secondsOf } from './scenario.ts'
import { createTally, type Rates, ratesOf, type Tally } from './tally.ts'

/** What was seen in a segment. */
export type Measured = {
  readonly name: string
  readonly rates: Rates
  /** How many isolates there were in all data centres. */
  readonly isolates: number
}

/** How far a simulation has come: virtual seconds, of so many. */
export type Progress = { readonly seconds: number; readonly of: number }

/** After the last read: longer than any answer takes. */
const afterSeconds = 2

/** Simulates a scenario, and tells of its measured segments in their order. `onProgress` is called once a virtual second. */
export const simulate = async (
  scenario: Scenario,
  onProgress: (progress: Progress) => void = () => {},
): Promise<readonly Measured[]> => {
  const strata = stratify(scenario)
  const model = createModel(scenario, strata)
  const progress = { seconds: 0, of: secondsOf(scenario) }
  const onSecond = () => {
    progress.seconds++
    onProgress(progress)
  }
  const tallies = new Map<
    string,
    { readonly tally: Tally; readonly isolates: number; readonly readsPerSecond: number }
  >()
  for (const segment of scenario.segments) {
    const tally = (segment.isMeasured && tallies.get(segment.name)?.tally) || createTally(strata.length)
    const isolates = await model.run(segment, tally, onSecond)
    if (segment.isMeasured) tallies.set(segment.name, { tally, isolates, readsPerSecond: allReadsOf(segment) })
  }
  await model.rest(afterSeconds)
  return [...tallies].map(([name, { tally, isolates, readsPerSecond }]) => {
    requireConserved(name, tally)
    return { name, rates: ratesOf(tally, strata, readsPerSecond), isolates }
  })
}

/** Every read is answered by one tier, and by no more than one. @throws Error otherwise, which would be the model's mistake */
const requireConserved = (name: string, { asked, answered }: Tally): void => {
  const total = (counts: Uint32Array) => counts.reduce((sum, count) => sum + count, 0)
  const answers = Object.values(answered).reduce((sum, counts) => sum + total(counts), 0)
  if (answers !== total(asked)) throw new Error(`${name}: ${total(asked)} reads and ${answers} answers`)
}
