import { expect, test } from 'vitest'
import { type LoadClass, loadClasses } from '#contract/load-class.ts'
import { createWatchRequests } from '#core/watch-requests.ts'
import { createRecordedTelemetry } from './recorded-telemetry.ts'

const createScene = () => {
  const telemetry = createRecordedTelemetry()
  const watch = createWatchRequests(telemetry)
  const ask = (loadClass: LoadClass | undefined, status: number) =>
    watch({ method: 'GET', route: `/v1/${loadClass ?? 'none'}`, loadClass, traceparent: '' }, async ({ end }) =>
      end({ status, principal: 'player', code: undefined }),
    )
  const counts = () =>
    Object.fromEntries(
      (telemetry.observed.get('perigee.requests')?.() ?? []).map(({ value, attributes }) => [
        `${attributes?.['perigee.load_class']} ${attributes?.['perigee.outcome']}`,
        value,
      ]),
    )
  return { telemetry, ask, counts }
}

test('every class is counted from nothing on, answers and failures apart', () => {
  const { counts } = createScene()
  expect(counts()).toEqual(
    Object.fromEntries(loadClasses.flatMap((name) => [`${name} answered`, `${name} failed`]).map((key) => [key, 0])),
  )
})

test('a refusal is an answer, and what is ours to mend is a failure, too much load too', async () => {
  const { ask, counts } = createScene()
  for (const status of [200, 204, 404, 409, 429, 499]) await ask('read', status)
  for (const status of [500, 503]) await ask('write', status)
  expect(counts()).toMatchObject({ 'read answered': 6, 'read failed': 0, 'write answered': 0, 'write failed': 2 })
})

test('a request is measured with its class, and one that has none counts for no class', async () => {
  const { telemetry, ask, counts } = createScene()
  await ask('sign-in', 200)
  await ask(undefined, 500)
  expect(telemetry.counted.map(({ attributes }) => attributes['perigee.load_class'])).toEqual(['sign-in', undefined])
  expect(Object.values(counts()).reduce((sum, count) => sum + count)).toBe(1)
})
