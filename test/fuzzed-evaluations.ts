import fc from 'fast-check'
import type { Subject } from '#contract/evaluate/attribute.ts'
import { prepareLiveEvents } from '#contract/evaluate/calendar.ts'
import type { Documents } from '#contract/evaluate/compiled.ts'
import { createEvaluator, type Evaluator } from '#contract/evaluate/evaluator.ts'
import { prepareFlags } from '#contract/evaluate/flags.ts'
import { contexts, knowns, moments } from './context-arbitraries.ts'

/**
 * `FUZZ_RUNS=20000 FUZZ_SEED=1 npx vitest run test/evaluation --testTimeout=3600000` is the long form, with a seed of its own; the
 * short form is the same each time.
 */
export const numRuns = Number(process.env.FUZZ_RUNS ?? 500)
export const seed = Number(process.env.FUZZ_SEED ?? 20_261_128)
export const parameters = { numRuns, seed }

const subjects: fc.Arbitrary<Subject> = fc.record({ context: contexts, known: knowns, now: moments })
/** Eight of them, for a document takes longer to make than to be evaluated. */
export const severalSubjects = fc.array(subjects, { minLength: 8, maxLength: 8 })

/** Documents, made ready together. */
export const evaluatorOf = ({
  flags,
  events,
}: {
  flags: Documents['flags']
  events: Documents['live-events']
}): Evaluator => createEvaluator(prepareFlags(flags), prepareLiveEvents(events))
