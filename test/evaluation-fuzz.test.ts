import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Answer } from '#contract/evaluate/evaluation.ts'
import { flagsDocuments } from './flag-arbitraries.ts'
import { evaluatorOf, numRuns, parameters, seed, severalSubjects } from './fuzzed-evaluations.ts'
import { liveEventsAstray, liveEventsBeside } from './live-event-arbitraries.ts'
import { referenceEvaluate, referenceHolds } from './reference-evaluator.ts'

/** The evaluator that edge and core share, beside one that was written from its documentation. */

const documents = flagsDocuments.chain((flags) =>
  fc.oneof({ weight: 3, arbitrary: liveEventsBeside(flags) }, liveEventsAstray).map((events) => ({ flags, events })),
)

test('an evaluation is what the documentation says it is, whatever the documents and the context', () => {
  const seen = new Map<string, number>()
  fc.assert(
    fc.property(documents, severalSubjects, (all, whom) => {
      const evaluator = evaluatorOf(all)
      for (const subject of whom)
        for (const key of [...Object.keys(all.flags.flags), 'tostring']) {
          const answer = evaluator.evaluate(key, subject)?.answer
          const expected = referenceEvaluate(all, key, subject)
          // The one that tells what differs is slow where nothing does.
          if (!isDeepStrictEqual(answer, expected)) expect(answer).toStrictEqual(expected)
          const how = howOf(answer)
          seen.set(how, (seen.get(how) ?? 0) + 1)
        }
    }),
    parameters,
  )
  const total = [...seen.values()].reduce((sum, count) => sum + count, 0)
  console.log(
    `evaluation: seed ${seed}, ${total} evaluations, ${[...seen].map(([how, count]) => `${how} ${count}`).join(', ')}`,
  )
  // Where hardly anything is decided in one of the ways, hardly anything was compared there.
  for (const how of ways) expect([how, (seen.get(how) ?? 0) / total > 0.01]).toEqual([how, true])
})

/** How an answer came about, as far as it tells. */
const howOf = (answer: Answer | undefined): string => {
  if (!answer) return 'nothing'
  if ('errorCode' in answer) return answer.errorCode
  if (answer.metadata?.experimentRun !== undefined) return 'experiment'
  return answer.metadata?.liveEventRun === undefined ? answer.reason : 'live event'
}

const ways = [
  'nothing',
  'TARGETING_KEY_MISSING',
  'INVALID_CONTEXT',
  'DISABLED',
  'DEFAULT',
  'STATIC',
  'TARGETING_MATCH',
  'SPLIT',
  'experiment',
  'live event',
]

test('whatever a context holds, nothing is thrown, and one by one, all at once and again the same is answered', () => {
  fc.assert(
    fc.property(documents, severalSubjects, (all, whom) => {
      const evaluator = evaluatorOf(all)
      for (const subject of whom) {
        const everything = evaluator.evaluateAll(subject)
        expect(everything.map(({ answer }) => answer.key)).toEqual(Object.keys(all.flags.flags).sort())
        for (const [at, again] of evaluator.evaluateAll(subject).entries()) expect(again).toBe(everything[at])
        for (const evaluation of everything) {
          expect(evaluator.evaluate(evaluation.answer.key, subject)).toBe(evaluation)
          expect(JSON.parse(evaluation.text)).toEqual(JSON.parse(JSON.stringify(evaluation.answer)))
        }
      }
    }),
    { ...parameters, numRuns: numRuns / 4 },
  )
})

test('an explanation tells of the same answer, who decided it, and of each comparison how it went', () => {
  fc.assert(
    fc.property(documents, severalSubjects, (all, whom) => {
      const evaluator = evaluatorOf(all)
      for (const subject of whom)
        for (const evaluation of evaluator.evaluateAll(subject)) {
          const explained = evaluator.explain(evaluation.answer.key, subject)
          expect(explained?.evaluation).toBe(evaluation)
          const steps = explained?.steps ?? []
          const at = steps.findIndex(({ result }) => result === 'decides')
          expect(steps.map(({ result }) => result === 'not-asked')).toEqual(
            steps.map((_, step) => at >= 0 && step > at),
          )
          expect(sourcesOf(evaluation.answer)).toContain(at < 0 ? 'nobody' : steps[at]?.source)
          for (const { attribute, operator, operand, holds } of steps.flatMap(({ compared }) => compared)) {
            const condition =
              attribute === 'audience' ? { audience: String(operand) } : { attribute, [operator]: operand }
            expect([condition, holds]).toEqual([condition, referenceHolds(condition, { document: all.flags, subject })])
          }
        }
    }),
    { ...parameters, numRuns: numRuns / 4 },
  )
})

/** What can have decided an answer. */
const sourcesOf = (answer: Answer): string[] => {
  switch (howOf(answer)) {
    case 'experiment':
      return ['experiment']
    case 'live event':
      return ['live-event']
    case 'TARGETING_MATCH':
      return ['rule', 'experiment']
    case 'SPLIT':
    case 'TARGETING_KEY_MISSING':
    case 'INVALID_CONTEXT':
      return ['rule']
    default:
      return ['nobody']
  }
}
