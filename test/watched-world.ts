import { type CollectedPoint, type CollectedSpan, reportingTo, startCollector } from '#infra/local/collector.ts'
import { createTelemetry } from '#infra/telemetry.ts'
import { startWorld, type World } from './harness.ts'
import type { CellOptions } from './world-cell.ts'

/** A world of which everything is recorded. One a process: OpenTelemetry is the process's own. */
export type WatchedWorld = World & {
  readonly spans: CollectedSpan[]
  readonly points: CollectedPoint[]
  /** All that was exported, as it was sent. */
  readonly exported: string[]
}

/** Starts one; spans leave four times a second, metrics, which are many, every two. */
export const startWatchedWorld = async (options: CellOptions = {}): Promise<WatchedWorld> => {
  const spans: CollectedSpan[] = []
  const points: CollectedPoint[] = []
  const exported: string[] = []
  const collector = await startCollector({
    spans: (taken) => spans.push(...taken),
    points: (taken) => points.push(...taken),
    raw: (body) => exported.push(JSON.stringify(body)),
  })
  Object.assign(process.env, reportingTo(collector, { intervalMs: 2_000 }))
  const telemetry = await createTelemetry(process.env, { name: 'perigee-core', attributes: {} }, () => {})
  const world = await startWorld({ ...options, telemetry, traceShare: 1 })
  const stop = async () => {
    await world.stop()
    await telemetry.close(1_000)
    await collector.close()
  }
  return { ...world, spans, points, exported, stop }
}
