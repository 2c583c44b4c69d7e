import { setTimeout as pause } from 'node:timers/promises'
import { startWorld, type World } from './harness.ts'
import { startIsolates } from './isolates.ts'
import { startUpstashRegion } from './upstash-region.ts'

/** A world whose database and Upstash have replicas that lag, and two data centres of two isolates before it. */
export type LaggingWorld = {
  readonly world: World
  /** Of each isolate, its own; those of one data centre are neighbours. */
  readonly urls: readonly string[]
  /** Draws other lags for Postgres until the work is done; Upstash's are drawn for each write. Both end at 0. */
  whileLagging<Result>(work: () => Promise<Result>): Promise<Result>
  stop(): Promise<void>
}

/** What a replica in another region is behind on a bad day; still near enough for the core to ask it. */
export const lagMaxMs = 5_000
/** Long enough for a lag to be felt, short enough for a run of seconds to feel several. */
const lagChangeMs = 1_500

type Lags = {
  /** Decides the lags, from 0 to below 1. */
  readonly random: () => number
  /** The longest that is drawn; `lagMaxMs` where it is absent. */
  readonly longestMs?: number
}

/** Starts it without a lag; `whileLagging` brings one. */
export const startLaggingWorld = async (lags: Lags): Promise<LaggingWorld> => {
  const world = await startWorld({ bus: 'direct', replica: true, upstashReplica: true })
  const stops = [world.stop]
  const stop = async () => {
    for (const stopOne of stops.toReversed()) await stopOne()
  }
  try {
    const region = await startUpstashRegion(world.upstash)
    stops.push(region.stop)
    const start = () => startIsolates(world, { isolates: 2, upstashUrl: region.url })
    const centres = await Promise.all([start(), start()])
    stops.push(...centres.map((centre) => centre.stop))
    const urls = centres.flatMap((centre) => centre.urls)
    return { world, urls, whileLagging: (work) => whileLagging(world, lags, work), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

const whileLagging = async <Result>(
  { replica, upstash }: World,
  { random, longestMs = lagMaxMs }: Lags,
  work: () => Promise<Result>,
): Promise<Result> => {
  if (!replica) throw new Error('a world without the replica that it was to have')
  const over = new AbortController()
  const change = async () => {
    while (!over.signal.aborted) {
      await replica.lag(Math.round(random() * longestMs))
      await pause(lagChangeMs, undefined, { signal: over.signal }).catch(() => {})
    }
  }
  upstash.faults.lagMs = () => random() * longestMs
  const changing = change()
  try {
    return await work()
  } finally {
    over.abort()
    await changing
    await replica.lag(0)
    upstash.faults.lagMs = 0
    await upstash.catchUp()
  }
}
