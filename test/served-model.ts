import { vi } from 'vitest'
import { type LoadClass, loadClasses } from '#contract/load-class.ts'
import type { Admission } from '#core/admission.ts'
import { quantileOf } from './quantile.ts'

/** What is behind an admission: so many at once, each for about its time, the others in one line. */
export type Served = { readonly servers: number; readonly serviceMs: number }

export type Offered = {
  /** Requests a second of each class. */
  readonly rates: Readonly<Record<LoadClass, number>>
  readonly seconds: number
  readonly random: () => number
}

export type ClassOutcome = {
  readonly offered: number
  readonly served: number
  readonly p99Ms: number
}

/**
 * Requests that come whether or not the earlier ones are answered, in the time of vitest's fake timers, which must be in use. Nothing
 * is counted of the first `settleMs`.
 */
export const runServed = async (
  admission: Admission,
  { servers, serviceMs }: Served,
  { rates, seconds, random, settleMs = 0 }: Offered & { readonly settleMs?: number },
): Promise<Record<LoadClass | 'all', ClassOutcome>> => {
  const line: (() => void)[] = []
  let busy = 0
  const work = () =>
    new Promise<void>((resolve) => {
      const begin = () => {
        busy++
        // Between half and one and a half times as long.
        setTimeout(
          () => {
            busy--
            line.shift()?.()
            resolve()
          },
          serviceMs * (0.5 + random()),
        )
      }
      if (busy < servers) begin()
      else line.push(begin)
    })
  const outcomes = Object.fromEntries(loadClasses.map((name) => [name, { offered: 0, durations: [] as number[] }]))
  const startedAt = performance.now()

  const ask = async (loadClass: LoadClass) => {
    const outcome = outcomes[loadClass]
    const askedAt = performance.now()
    const counts = askedAt - startedAt >= settleMs
    if (outcome && counts) outcome.offered++
    try {
      const leave = await admission.enter(loadClass, loadClass)
      await work()
      leave(true)
      if (counts) outcome?.durations.push(performance.now() - askedAt)
    } catch {}
  }
  for (const loadClass of loadClasses) {
    const rate = rates[loadClass]
    if (rate === 0) continue
    let due = startedAt
    // Several come within a millisecond, which is the finest that a timer is.
    const come = () => {
      for (; due <= performance.now(); due += (-Math.log(1 - random()) * 1_000) / rate) void ask(loadClass)
      if (due - startedAt < seconds * 1_000) setTimeout(come, due - performance.now())
    }
    come()
  }
  await vi.advanceTimersByTimeAsync(seconds * 1_000)
  const of = ({ offered, durations }: { offered: number; durations: readonly number[] }): ClassOutcome => ({
    offered,
    served: durations.length,
    p99Ms: quantileOf(durations, 0.99),
  })
  const all = {
    offered: loadClasses.reduce((sum, name) => sum + (outcomes[name]?.offered ?? 0), 0),
    durations: loadClasses.flatMap((name) => outcomes[name]?.durations ?? []),
  }
  const byClass = Object.fromEntries(
    loadClasses.map((name) => [name, of(outcomes[name] ?? { offered: 0, durations: [] })]),
  )
  return { ...byClass, all: of(all) } as Record<LoadClass | 'all', ClassOutcome>
}
