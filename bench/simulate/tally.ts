import type { Found } from '#edge/cache/cache.ts'
import { type Stratum, weightOf } from './popularity.ts'

/** What a tier was asked, beside the answers. */
export const operations = ['dataCentreReads', 'lookUps', 'fills', 'raises', 'coreReads'] as const
export type Operation = (typeof operations)[number]

/** Who answered. `last` is what is left when the core is gone, which it never is here. */
export const sources = ['memory', 'data-centre', 'upstash', 'core', 'last'] as const
export type Source = Found['source']

/** Counts an operation on a thing of a stratum. */
export type Count = (operation: Operation, stratum: number) => void

/** Counts of simulated things, each by stratum. */
export type Tally = {
  /** For how long each stratum was read, virtual seconds. */
  readonly seconds: Float64Array
  readonly asked: Uint32Array
  readonly collapsed: Uint32Array
  readonly answered: Readonly<Record<Source, Uint32Array>>
  readonly operations: Readonly<Record<Operation, Uint32Array>>
}

export const createTally = (strata: number): Tally => {
  const counts = () => new Uint32Array(strata)
  return {
    seconds: new Float64Array(strata),
    asked: counts(),
    collapsed: counts(),
    answered: { memory: counts(), 'data-centre': counts(), upstash: counts(), core: counts(), last: counts() },
    operations: {
      dataCentreReads: counts(),
      lookUps: counts(),
      fills: counts(),
      raises: counts(),
      coreReads: counts(),
    },
  }
}

/** What all things together, those that were left out included, ask for in a second. */
export type Rates = {
  readonly readsPerSecond: number
  /** Of the reads, from 0 to 1; the sum is 1. */
  readonly shares: Readonly<Record<Source, number>>
  /** Of the reads, those that joined another's question. */
  readonly collapsedShare: number
  /** Standard error of each share, from what was left to chance: which things stand for all, and when they were read. */
  readonly shareErrors: Readonly<Record<Source, number>>
  readonly perSecond: Readonly<Record<Operation, number>>
  /** Known reads by those that the sample comes to: 1, but for chance. */
  readonly scale: number
  /** How many reads were simulated. */
  readonly simulated: number
}

/**
 * A count of simulated things stands for as many as its stratum's weight, in the time in which the stratum was read. How often all
 * things together are read is known, `readsPerSecond`; so what chance made more or less of it is taken out of everything.
 */
export const ratesOf = (tally: Tally, strata: readonly Stratum[], readsPerSecond: number): Rates => {
  const weights = Float64Array.from(strata, (stratum, at) => {
    const seconds = tally.seconds[at] ?? 0
    return seconds > 0 ? weightOf(stratum) / seconds : 0
  })
  const sum = (counts: Uint32Array) => counts.reduce((total, count, at) => total + count * (weights[at] ?? 0), 0)
  const reads = sum(tally.asked)
  const scale = reads > 0 ? readsPerSecond / reads : 0
  const bySource = <Value>(value: (counts: Uint32Array) => Value) =>
    Object.fromEntries(sources.map((source) => [source, value(tally.answered[source])])) as Record<Source, Value>
  const shares = bySource((counts) => (reads > 0 ? sum(counts) / reads : 0))
  return {
    readsPerSecond,
    scale,
    shares,
    collapsedShare: reads > 0 ? sum(tally.collapsed) / reads : 0,
    shareErrors: bySource((counts) => errorOf(counts, { asked: tally.asked, weights, reads })),
    perSecond: Object.fromEntries(
      operations.map((operation) => [operation, sum(tally.operations[operation]) * scale]),
    ) as Record<Operation, number>,
    simulated: tally.asked.reduce((total, count) => total + count, 0),
  }
}

/** Of a stratified share: the binomial errors of the strata, each with its weight. */
const errorOf = (
  counts: Uint32Array,
  of: { readonly asked: Uint32Array; readonly weights: Float64Array; readonly reads: number },
): number => {
  let variance = 0
  for (const [at, count] of counts.entries()) {
    const asked = of.asked[at] ?? 0
    if (asked > 0) variance += (of.weights[at] ?? 0) ** 2 * count * (1 - count / asked)
  }
  return of.reads > 0 ? Math.sqrt(variance) / of.reads : 0
}
