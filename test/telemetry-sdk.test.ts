import { expect, onTestFinished, test, vi } from 'vitest'
import { createBatches } from '#infra/batches.ts'
import { type CollectedPoint, type CollectedSpan, reportingTo, startCollector } from '#infra/local/collector.ts'
import { createTelemetry } from '#infra/telemetry.ts'

/** One for this process: OpenTelemetry's parts are global. */
test('what was begun and measured just before the end is sent, all of it, and work is a part of what it runs within', async () => {
  const points: CollectedPoint[] = []
  const spans: CollectedSpan[] = []
  const collector = await startCollector({
    points: (sent) => points.push(...sent),
    spans: (sent) => spans.push(...sent),
  })
  onTestFinished(() => collector.close())
  onTestFinished(() => void vi.unstubAllEnvs())
  // Nothing is exported but at the end.
  for (const [name, value] of Object.entries(reportingTo(collector, { intervalMs: 600_000 }))) vi.stubEnv(name, value)
  let losses = 0
  const telemetry = await createTelemetry(process.env, { name: 'test', attributes: {} }, (times) => {
    losses += times
  })

  const metric = { name: 'perigee.test.duration', unit: 's', description: 'A test.' }
  const seriesOf = telemetry.histogram(metric, [1, 10])
  const [one, other] = [seriesOf({ kind: 'one' }), seriesOf({ kind: 'other' })]
  for (let value = 1; value <= 1_000; value++) one(value)
  other(7)

  const parent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
  const span = telemetry.startSpan('outer', { kind: 'server', parent })
  expect(telemetry.activeSpan()).toBeUndefined()
  await telemetry.within(span, async () => {
    await undefined
    expect(telemetry.activeSpan()).toBe(span)
    await telemetry.within(undefined, async () => {
      await undefined
      expect(telemetry.activeSpan()).toBeUndefined()
      expect(telemetry.startSpan('of nothing', { kind: 'client' })).toBeUndefined()
    })
    telemetry.within(span, () => telemetry.startSpan('inner', { kind: 'client' }))?.end()
  })
  span?.end()

  await telemetry.close(5_000)
  expect(losses).toBe(0)
  expect(points.map(({ attributes, value, sum }) => [attributes.kind, value, sum])).toEqual([
    ['one', 1_000, 500_500],
    ['other', 1, 7],
  ])
  expect(spans.map(({ name }) => name).toSorted()).toEqual(['inner', 'outer'])
  const outer = spans.find(({ name }) => name === 'outer')
  expect(outer).toMatchObject({ traceId: 'a'.repeat(32), parentId: 'b'.repeat(16) })
  expect(span?.traceparent).toContain(spans.find(({ name }) => name === 'inner')?.parentId)
})

test('a measurement is handed on within a second, and as soon as there are many', () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const handed: string[] = []
  const batches = createBatches()
  const [one, other] = ['one', 'other'].map((name) => batches.series((value) => void handed.push(`${name} ${value}`)))
  one?.(1)
  other?.(2)
  one?.(3)
  expect(handed).toEqual([])
  vi.advanceTimersByTime(1_000)
  expect(handed).toEqual(['one 1', 'one 3', 'other 2'])
  vi.advanceTimersByTime(1_000)
  expect(handed).toHaveLength(3)
  for (let value = 0; value < 1_000; value++) one?.(value)
  expect(handed.length).toBeGreaterThan(700)
  batches.flush()
  expect(handed.slice(3)).toEqual(Array.from({ length: 1_000 }, (_, value) => `one ${value}`))
})
