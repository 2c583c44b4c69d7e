import fc from 'fast-check'
import { expect, test } from 'vitest'
import { noDocuments, readCompiled } from '#contract/evaluate/compiled.ts'
import { compileContent } from '#core/compile-content.ts'
import { spoilt } from './arbitraries.ts'
import { flagsDocuments } from './flag-arbitraries.ts'
import { evaluatorOf, numRuns, parameters, seed, severalSubjects } from './fuzzed-evaluations.ts'
import { liveEventsAstray, liveEventsBeside } from './live-event-arbitraries.ts'

/** What is written, checked and published is what is evaluated. */

const surroundings = (flags = noDocuments.flags) => ({
  live: { ...noDocuments, flags },
  currencies: new Set(['coins']),
})

test('a document that is published evaluates as it was written', async () => {
  await fc.assert(
    fc.asyncProperty(flagsDocuments, fc.context(), severalSubjects, async (written, ctx, whom) => {
      const compiled = await compileContent('flags', JSON.stringify(written), surroundings())
      if ('faults' in compiled) ctx.log(JSON.stringify(compiled.faults))
      expect(compiled).toHaveProperty('content')
      if ('faults' in compiled) return
      const read = readCompiled<'flags'>(compiled.content.compiled)
      const before = evaluatorOf({ flags: written, events: noDocuments['live-events'] })
      const after = evaluatorOf({ flags: read, events: noDocuments['live-events'] })
      for (const subject of whom) {
        const answers = before.evaluateAll(subject).map(({ answer }) => answer)
        expect(after.evaluateAll(subject).map(({ answer }) => answer)).toEqual(JSON.parse(JSON.stringify(answers)))
      }
    }),
    { ...parameters, numRuns: numRuns / 4 },
  )
})

test('live events that are published decide as they were written', async () => {
  await fc.assert(
    fc.asyncProperty(
      flagsDocuments.chain((flags) => liveEventsBeside(flags).map((events) => ({ flags, events }))),
      severalSubjects,
      async (all, whom) => {
        const compiled = await compileContent('live-events', JSON.stringify(all.events), surroundings(all.flags))
        expect(compiled).toHaveProperty('content')
        if ('faults' in compiled) return
        const after = evaluatorOf({ flags: all.flags, events: readCompiled<'live-events'>(compiled.content.compiled) })
        const before = evaluatorOf(all)
        for (const subject of whom) {
          const answers = before.evaluateAll(subject).map(({ answer }) => answer)
          expect(after.evaluateAll(subject).map(({ answer }) => answer)).toEqual(JSON.parse(JSON.stringify(answers)))
        }
      },
    ),
    { ...parameters, numRuns: numRuns / 4 },
  )
})

test('whatever is written is refused with what is wrong, or can be evaluated', async () => {
  const counts = { refused: 0, taken: 0 }
  const written = fc.oneof({ weight: 9, arbitrary: twiceSpoilt(flagsDocuments) }, fc.jsonValue({ maxDepth: 8 }))
  await fc.assert(
    fc.asyncProperty(written, liveEventsAstray, severalSubjects, async (document, events, whom) => {
      // JSON tells fewer things apart than what was generated.
      const text = JSON.stringify(document ?? null)
      const compiled = await compileContent('flags', text, surroundings())
      if ('faults' in compiled) {
        counts.refused++
        expect(compiled.faults.length).toBeGreaterThan(0)
        return
      }
      counts.taken++
      const evaluator = evaluatorOf({ flags: readCompiled<'flags'>(compiled.content.compiled), events })
      for (const subject of whom)
        for (const { answer } of evaluator.evaluateAll(subject))
          if (!('errorCode' in answer)) expect(answer.value).toBeDefined()
    }),
    { ...parameters, numRuns: numRuns * 2 },
  )
  console.log(`whatever is written: seed ${seed}, ${counts.refused} refused, ${counts.taken} taken`)
  expect(Math.min(counts.refused, counts.taken)).toBeGreaterThan(numRuns / 50)
})

test('whatever is written of live events is refused with what is wrong, or can be evaluated', async () => {
  await fc.assert(
    fc.asyncProperty(
      flagsDocuments,
      fc.oneof(twiceSpoilt(liveEventsAstray), fc.jsonValue()),
      severalSubjects,
      async (flags, document, whom) => {
        const compiled = await compileContent('live-events', JSON.stringify(document ?? null), surroundings(flags))
        if ('faults' in compiled) {
          expect(compiled.faults.length).toBeGreaterThan(0)
          return
        }
        const evaluator = evaluatorOf({ flags, events: readCompiled<'live-events'>(compiled.content.compiled) })
        for (const subject of whom) expect(evaluator.evaluateAll(subject)).toHaveLength(Object.keys(flags.flags).length)
      },
    ),
    { ...parameters, numRuns: numRuns / 2 },
  )
})

test('what no document declares is not there, though every object has a member of its name', async () => {
  const faultsOf = async (kind: 'flags' | 'live-events', document: object) => {
    const compiled = await compileContent(kind, JSON.stringify(document), surroundings())
    return 'faults' in compiled ? compiled.faults : []
  }
  const split = [{ variant: 'constructor', basisPoints: 10_000 }]
  const experiment = { flag: 'constructor', state: 'running', trafficBasisPoints: 0, split }
  expect(await faultsOf('flags', { experiments: { constructor: experiment } })).toEqual([
    { pointer: '/experiments/constructor/flag', detail: 'there is no such flag' },
  ])
  const flag = { type: 'boolean', variants: { on: true }, default: 'constructor', unit: 'toString' }
  expect((await faultsOf('flags', { flags: { constructor: flag } })).map(({ pointer }) => pointer)).toEqual([
    '/flags/constructor/default',
    '/flags/constructor/unit',
  ])
  const rule = (condition: object) => ({
    ...flag,
    default: 'on',
    unit: 'targetingKey',
    rules: [{ if: condition, serve: 'on' }],
  })
  expect(
    await faultsOf('flags', {
      flags: { a: rule({ audience: 'constructor' }), b: rule({ attribute: 'toString', exists: true }) },
    }),
  ).toEqual([
    { pointer: '/flags/a/rules/0/if/audience', detail: 'there is no such audience' },
    { pointer: '/flags/b/rules/0/if/attribute', detail: 'the attribute is not declared' },
  ])
  const schedule = { start: '2026-11-27T18:00:00.000Z', end: '2026-11-28T18:00:00.000Z' }
  const event = { title: 'Fest', schedule, flags: { constructor: true }, audience: 'constructor' }
  expect(await faultsOf('live-events', { events: { constructor: event } })).toEqual([
    { pointer: '/events/constructor/audience', detail: 'no such audience is live' },
    { pointer: '/events/constructor/flags/constructor', detail: 'no such flag is live' },
  ])
})

test('half of a surrogate pair cannot be compared with', async () => {
  const rule = { if: { attribute: 'targetingKey', startsWith: '\ud83d' }, serve: 'on' }
  const flag = { type: 'boolean', variants: { on: true }, default: 'on', rules: [rule] }
  expect(await compileContent('flags', JSON.stringify({ flags: { flag } }), surroundings())).toEqual({
    faults: [{ pointer: '/flags/flag/rules/0/if/startsWith', detail: 'lone surrogates are not allowed' }],
  })
})

function twiceSpoilt(values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof(spoilt(values), spoilt(spoilt(values)))
}
