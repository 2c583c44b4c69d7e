import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { noDocuments, readCompiled } from '#contract/evaluate/compiled.ts'
import { operatorsOf } from '#contract/evaluate/condition.ts'
import { flagsDocumentSchema } from '#contract/evaluate/flags-document.ts'
import { liveEventsDocumentSchema } from '#contract/evaluate/live-events-document.ts'
import { compileContent } from '#core/compile-content.ts'
import { startDataCentre } from '#infra/local/data-centre.ts'
import { bundleEdge } from '#infra/local/edge-bundle.ts'
import { answerVectors, type FlagVectors } from './flag-vectors.ts'
import { referenceEvaluate } from './reference-evaluator.ts'
import { referenceBucket, referenceMurmur3 } from './reference-hash.ts'

const project = fileURLToPath(new URL('..', import.meta.url))
const vectors: FlagVectors = JSON.parse(await readFile(join(project, 'test/vectors/flags.json'), 'utf8'))

test('flags are evaluated as the vectors say', () => {
  expect(answerVectors(vectors)).toEqual(vectors)
})

test('the runtime of the edge evaluates flags as the vectors say', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'perigee-vectors-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await bundleEdge({ project, folder, entry: 'test/flag-vectors-worker.ts' })
  const main = 'flag-vectors-worker.js'
  const edge = await startDataCentre({ bundleFolder: folder, main, isolates: 1, vars: {} }, 'ignore')
  onTestFinished(() => edge.stop())
  const [url = ''] = edge.urls
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(vectors) })
  expect(await response.json()).toEqual(vectors)
})

test('the vectors are what the documentation says, by an evaluator that was written from it', () => {
  for (const { text, seed, hash } of vectors.hash) expect([text, referenceMurmur3(text, seed)]).toEqual([text, hash])
  for (const { salt, unit, bucket } of vectors.buckets)
    expect([salt, unit, referenceBucket(salt, unit)]).toEqual([salt, unit, bucket])
  for (const { flags, cases, ...rest } of vectors.evaluations)
    for (const { about, context, known, now, expected } of cases) {
      const documents = { flags, events: rest['live-events'] ?? noDocuments['live-events'] }
      const subject = { context, known, now: Date.parse(now) }
      const keys = Object.keys(flags.flags).sort()
      const answers = keys.map((key) => referenceEvaluate(documents, key, subject))
      expect([about, answers]).toEqual([about, expected.map((evaluation) => expect.objectContaining(evaluation))])
    }
})

test('the documents of the vectors are such as edges hold, with every default', async () => {
  for (const { about, flags, 'live-events': events } of vectors.evaluations) {
    for (const [kind, document] of [
      ['flags', flags],
      ['live-events', events],
    ] as const) {
      if (document === undefined) continue
      const schema = kind === 'flags' ? flagsDocumentSchema : liveEventsDocumentSchema
      expect(schema.parse(document), about).toEqual(document)
      // Flags stand alone; live events stand beside the flags that they speak of.
      const live = kind === 'flags' ? noDocuments : { ...noDocuments, flags }
      const compiled = await compileContent(kind, JSON.stringify(document), { live, currencies: new Set() })
      expect('content' in compiled && readCompiled(compiled.content.compiled), about).toEqual(document)
    }
  }
})

test('the vectors have every operator with every type that takes it, held and failed', () => {
  const wanted = Object.entries(operatorsOf).flatMap(([type, all]) => all.map((operator) => `${type} ${operator}`))
  const told = vectors.conditions.map(({ type, condition }) => `${type} ${Object.keys(condition)[0]}`)
  expect([...new Set(told)].sort()).toEqual(wanted.sort())
  for (const { holds, fails } of vectors.conditions) expect([holds.length > 0, fails.length > 0]).toEqual([true, true])
})
