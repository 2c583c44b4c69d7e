import { monitorEventLoopDelay } from 'node:perf_hooks'
import { loadClasses } from '#contract/load-class.ts'
import type { Database } from '#db/client.ts'
import { countWaitingDeadLetters } from '#db/dead-letters.ts'
import { type Backlog, countedMax, readBacklog } from '#db/outbox.ts'
import type { Log } from '#infra/log.ts'
import type { Telemetry } from '#infra/telemetry.ts'
import type { AdmissionSnapshot } from './admission.ts'
import type { LimiterCounts } from './limiter.ts'
import { createLoop, type Loop } from './loop.ts'
import { metrics } from './metrics.ts'
import type { RedisCounts } from './watch-redis.ts'

/** Half of the shortest time in which an alert on a queue is to fire. */
const pollMs = 5_000

/**
 * Reads the cell's queues every five seconds, while somebody wants to know: what waits in the outbox and since when, and dead
 * letters. All workers of a cell say the same; take the maximum. While the database is away there is no figure.
 */
export const createQueueGauges = ({
  database: { db },
  telemetry,
  log,
  clock,
}: {
  readonly database: Database
  readonly telemetry: Telemetry
  readonly log: Log
  readonly clock: () => number
}): Loop => {
  let backlog: Backlog | undefined
  let deadLetters: number | undefined
  let failing = false
  telemetry.observe('gauge', metrics.outboxUnpublished, () => (backlog ? [{ value: backlog.unpublished }] : []))
  telemetry.observe('gauge', metrics.outboxOldest, () => {
    if (!backlog) return []
    const { oldestAt } = backlog
    return [{ value: oldestAt ? Math.max(0, clock() - oldestAt.getTime()) / 1_000 : 0 }]
  })
  telemetry.observe('gauge', metrics.deadLetters, () => (deadLetters === undefined ? [] : [{ value: deadLetters }]))

  return createLoop(async () => {
    try {
      backlog = await readBacklog(db)
      deadLetters = await countWaitingDeadLetters(db, countedMax)
      failing = false
    } catch (error) {
      backlog = undefined
      deadLetters = undefined
      if (!failing) log.error('the queues could not be read', error)
      failing = true
    }
    return pollMs
  })
}

/** What a pool has in use, and at the most. */
export const observePool = (
  telemetry: Telemetry,
  {
    name,
    database,
    connectionsMax,
  }: { readonly name: string; readonly database: Database; readonly connectionsMax: number },
): void => {
  const attributes = { 'db.client.connection.pool.name': name }
  telemetry.observe('gauge', metrics.databaseStatements, () => [{ value: database.load().statements, attributes }])
  telemetry.observe('gauge', metrics.databaseTransactions, () => [{ value: database.load().transactions, attributes }])
  telemetry.observe('gauge', metrics.databaseConnections, () => [{ value: connectionsMax, attributes }])
}

/** What is let in, by class; what was admitted and refused since the start. */
export const observeAdmission = (telemetry: Telemetry, snapshot: () => AdmissionSnapshot): void => {
  const byClass = (part: 'inFlight' | 'admitted' | 'refused') => () => {
    const counts = snapshot()[part]
    return loadClasses.map((name) => ({ value: counts[name], attributes: { 'perigee.load_class': name } }))
  }
  telemetry.observe('gauge', metrics.admissionLimit, () => [{ value: snapshot().limit }])
  telemetry.observe('gauge', metrics.admissionWaiting, () => [{ value: snapshot().waiting }])
  telemetry.observe('gauge', metrics.admissionInFlight, byClass('inFlight'))
  telemetry.observe('counter', metrics.admissionAdmitted, byClass('admitted'))
  telemetry.observe('counter', metrics.admissionRefused, byClass('refused'))
}

/** What Redis has come to, and who counted the allowances: the cell as one, or this process for itself. */
export const observeLimits = (
  telemetry: Telemetry,
  { redis, limiter }: { readonly redis: () => RedisCounts; readonly limiter: () => LimiterCounts },
): void => {
  telemetry.observe('counter', metrics.redisCommands, () => {
    const { answered, failed } = redis()
    return [
      { value: answered, attributes: { 'perigee.outcome': 'taken' } },
      { value: failed, attributes: { 'perigee.outcome': 'failed' } },
    ]
  })
  telemetry.observe('counter', metrics.limiterCounted, () => {
    const { shared, own } = limiter()
    return [
      { value: shared, attributes: { 'perigee.counted_by': 'cell' } },
      { value: own, attributes: { 'perigee.counted_by': 'process' } },
    ]
  })
}

/** A timer that is this much late at the least is seen, ms. A finer one wakes the process more often than its requests do. */
const resolutionMs = 20

/** How late timers were since the last export: what every request of the process waited for on top of its own work. */
export const observeEventLoop = (telemetry: Telemetry): void => {
  if (!telemetry.enabled) return
  const delay = monitorEventLoopDelay({ resolution: resolutionMs })
  delay.enable()
  telemetry.observe('gauge', metrics.eventLoopDelay, () => {
    const figures = { p50: delay.percentile(50), p99: delay.percentile(99), max: delay.max }
    delay.reset()
    // It measures from one tick to the next, nanoseconds: what is above the time between ticks is delay.
    return Object.entries(figures).map(([statistic, ns]) => ({
      value: Math.max(0, ns / 1e9 - resolutionMs / 1e3),
      attributes: { 'perigee.statistic': statistic },
    }))
  })
}
