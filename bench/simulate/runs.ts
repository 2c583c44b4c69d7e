import { getProfile } from '#contract/players.ts'
import type { Lives } from '#edge/cache/freshness.ts'
import type { InputName, Values } from './inputs.ts'
import type { Scenario, Segment } from './scenario.ts'
import { type Moment, momentOfEvent, momentsOfDay, routeLoadsOf } from './traffic.ts'

/** How much is simulated. */
export type Effort = {
  /** Of the rarely read things, reads that are simulated in a second. */
  readonly sampledPerSecond: number
  readonly measuredSeconds: number
  /** Players of the run that leaves nothing out, and of the one that it is compared with. */
  readonly checkPlayers: number
}

/** Shares of reads come out to half a percent; all of it takes about two minutes on two idle cores. */
export const fullEffort: Effort = { sampledPerSecond: 400, measuredSeconds: 45, checkPlayers: 50_000 }
/** For a look, and for tests: ten seconds, and one percent. */
export const quickEffort: Effort = { sampledPerSecond: 50, measuredSeconds: 30, checkPlayers: 10_000 }

/** What a run is made from. */
export type Setting = { readonly seed: number; readonly values: Values; readonly effort: Effort }

/** A scenario, with the moment that each of its measured segments shows. */
export type Run = {
  /** What is particular about it. */
  readonly name: string
  /** Of the evening. */
  readonly players: number
  readonly scenario: Scenario
  readonly moments: readonly Moment[]
  readonly values: Values
}

type Variant = {
  readonly name: string
  readonly tiers?: Scenario['tiers']
  readonly given?: Partial<Values>
  readonly lives?: Partial<Lives>
}

/** As `staleMs`: from then on entries are of any age, as they are in practice. */
const warmUpSeconds = 300
/** For what is read often: longer than two fresh lives, and enough reads. */
const hotSeconds = { warmUpMin: 4, measured: 5 }
/** Minutes of the event that are told of. */
const eventMinutes = [1, 2, 3, 5, 10] as const
/** Of each of them as much is simulated; near tiers follow a load within seconds. */
const eventMinuteSeconds = 10
/** Time passes in steps of so many milliseconds; a fraction of what any tier takes at a distance. */
const stepMs = 10
/** Of those that are most popular, neighbours up to twice as popular as others are taken for alike. */
const growth = 1

const allTiers = { memory: true, dataCentre: true, upstash: true }

/** The day of a deployment, by the number of its players in the evening: three runs. */
export const dayRuns = (players: number, setting: Setting): readonly Run[] => {
  const { values } = setting
  const [trough, mean, peak] = momentsOfDay(players, values)
  const evening = [peak, ...eventMinutes.map((minute) => momentOfEvent(players, minute, values))]
  return [[trough], [mean], evening].map((moments) => runOf(players, moments, setting, { name: 'day' }))
}

/** The evening without some tier. */
export const tierRuns = (players: number, setting: Setting): readonly Run[] =>
  tierVariants.map((variant) => peakRun(players, setting, variant))

const tierVariants: readonly Variant[] = [
  { name: 'all tiers', tiers: allTiers },
  { name: 'no memory', tiers: { ...allTiers, memory: false } },
  { name: 'no data centre', tiers: { ...allTiers, dataCentre: false } },
  { name: 'no near tier', tiers: { ...allTiers, memory: false, dataCentre: false } },
  { name: 'no Upstash', tiers: { ...allTiers, upstash: false } },
]

/** The evening under other figures, one at a time. */
export const sensitivityRuns = (players: number, setting: Setting): readonly Run[] => {
  const { values } = setting
  const scaled = (name: InputName, factors: readonly number[]): Variant[] =>
    factors.map((factor) => ({ name: `${name} ${values[name] * factor}`, given: { [name]: values[name] * factor } }))
  const variants: readonly Variant[] = [
    { name: 'as it is' },
    ...scaled('requestsPerIsolate', [1 / 3, 10 / 3]),
    ...[0.6, 1, 1.2].map((exponent) => ({ name: `zipfExponent ${exponent}`, given: { zipfExponent: exponent } })),
    ...scaled('readsPerMinute', [0.5, 2]),
    ...[10_000, 60_000].map((freshMs) => ({ name: `freshMs ${freshMs}`, lives: { freshMs } })),
  ]
  return variants.map((variant) => peakRun(players, setting, variant))
}

/** A small deployment in which nothing is left out, and the same by sample. */
export const checkRuns = (setting: Setting): readonly [whole: Run, sample: Run] => {
  const { effort, values } = setting
  const small = { ...setting, values: { ...values, ...checkEdge } }
  const sample = peakRun(effort.checkPlayers, small, { name: 'sample' })
  const whole = peakRun(effort.checkPlayers, small, { name: 'whole' })
  // From the beginning to the end everything is read, and all of the evening is told of.
  const segments = whole.scenario.segments.map((segment) => ({
    ...segment,
    withHot: true,
    isMeasured: segment.isMeasured || segment.seconds < warmUpSeconds,
  }))
  const longer = sample.scenario.segments.map((segment) =>
    segment.withHot && segment.isMeasured ? { ...segment, seconds: checkHotSeconds } : segment,
  )
  return [
    { ...whole, scenario: { ...whole.scenario, segments, keepOneIn: 1, growth: 0, stepMs: 1 } },
    { ...sample, scenario: { ...sample.scenario, segments: longer, keepOneIn: checkKeepOneIn } },
  ]
}

/** So few players would be thin in 330 cities, and each city would have one isolate, which needs no data centre's cache. */
const checkEdge = { dataCentres: 10, requestsPerIsolate: 20 }
const checkKeepOneIn = 10
/** As many reads of what is read often as there are in five seconds of a large deployment. */
const checkHotSeconds = 40

const peakRun = (players: number, setting: Setting, variant: Variant): Run => {
  const values = { ...setting.values, ...variant.given }
  const [, , peak] = momentsOfDay(players, values)
  return runOf(players, [peak], { ...setting, values }, variant)
}

const runOf = (
  players: number,
  moments: readonly Moment[],
  { seed, values, effort }: Setting,
  variant: Variant,
): Run => {
  const [first] = moments
  if (!first) throw new Error('a run shows at least one moment')
  const lives = { ...livesOfProfiles, ...variant.lives }
  const usual = segmentOf(first, values)
  const segments = [
    { ...usual, seconds: warmUpSeconds, withHot: false },
    ...moments.flatMap((moment, at) => {
      const rareSeconds = at === 0 ? effort.measuredSeconds : eventMinuteSeconds
      return measuredSegments(segmentOf(moment, values), rareSeconds, lives)
    }),
  ]
  const scenario: Scenario = {
    name: `${players} ${variant.name} ${first.name}`,
    seed,
    things: Math.round(players * values.profilesPerPlayer),
    exponent: values.zipfExponent,
    crowd: values.crowd,
    keepOneIn: Math.max(1, usual.readsPerSecond / effort.sampledPerSecond),
    growth,
    stepMs,
    cells: values.cells,
    dataCentres: values.dataCentres,
    dataCentreExponent: values.dataCentreExponent,
    requestsPerIsolate: values.requestsPerIsolate,
    tiers: variant.tiers ?? allTiers,
    lives,
    latencies: { dataCentreMs: values.dataCentreMs, upstashMs: values.upstashMs, coreMs: values.coreMs },
    invalidationMs: values.invalidationMs,
    entryBytes: values.entryBytes,
    segments,
  }
  return { name: variant.name, players, scenario, moments, values }
}

/** What is read rarely for long, what is read often for a short time, after the near tiers have got to know it. */
const measuredSegments = (segment: Segment, rareSeconds: number, { freshMs }: Lives): Segment[] => {
  const hotWarmUp = Math.max(hotSeconds.warmUpMin, (2 * freshMs) / 1_000)
  return [
    { ...segment, seconds: rareSeconds, withHot: false, isMeasured: true },
    { ...segment, seconds: hotWarmUp, isMeasured: false },
    { ...segment, seconds: hotSeconds.measured, isMeasured: true },
  ]
}

const { freshMs, staleMs, hardMs } = getProfile.delivery

/** The one cached route that there is. */
export const livesOfProfiles: Lives = { freshMs, staleMs, hardMs }

const segmentOf = (moment: Moment, values: Values): Segment => {
  const loads = routeLoadsOf(moment, values)
  const reads = loads.reduce((sum, { route, perSecond }) => sum + (route.delivery.kind === 'cached' ? perSecond : 0), 0)
  const usual = reads / moment.readsFactor
  return {
    name: moment.name,
    seconds: 0,
    readsPerSecond: usual,
    crowdReadsPerSecond: reads - usual,
    changesPerSecond: (moment.players * values.changesPerMinute) / 60,
    requestsPerSecond: loads.reduce((sum, { perSecond }) => sum + perSecond, 0),
    withHot: true,
    isMeasured: false,
  }
}
