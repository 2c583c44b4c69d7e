import { type Cost, costOf, type Sizes, sizesOf } from './cost.ts'
import type { Values } from './inputs.ts'
import { type NetworkFate, networkFates } from './limits.ts'
import { type Load, loadOf } from './load.ts'
import { simulateAll } from './pool.ts'
import {
  checkRuns,
  dayRuns,
  type Effort,
  fullEffort,
  livesOfProfiles,
  quickEffort,
  type Run,
  sensitivityRuns,
  tierRuns,
} from './runs.ts'
import type { Measured } from './window.ts'

/** The parts of a simulation, each of which can be asked for alone. */
export const parts = ['day', 'tiers', 'sensitivity', 'check', 'limits'] as const
export type Part = (typeof parts)[number]

export type SimulationOptions = {
  readonly seed: number
  /** Players of the evening, ascending. */
  readonly players: readonly number[]
  readonly isQuick: boolean
  readonly only: readonly Part[]
  readonly values: Values
  /** As for `simulateAll`. */
  readonly threads: number
}

/** A deployment over its day. */
export type Day = {
  readonly players: number
  readonly loads: readonly Load[]
  readonly sizes: Sizes
  readonly cost: Cost
}

/** The load of an evening under something that a name tells. */
export type Named = { readonly name: string; readonly players: number; readonly load: Load }

/** What came out; parts that were not asked for are empty. */
export type Simulation = {
  readonly seed: number
  readonly isQuick: boolean
  readonly days: readonly Day[]
  readonly tiers: readonly Named[]
  readonly sensitivity: readonly Named[]
  /** The run that leaves nothing out, and the sample. */
  readonly check: readonly Named[]
  readonly networks: readonly NetworkFate[]
}

/** Simulates what is asked for. `onProgress` is told how much is done, from 0 to 1. */
export const runSimulation = async (
  options: SimulationOptions,
  onProgress?: (share: number) => void,
): Promise<Simulation> => {
  const { seed, players, isQuick, only, values, threads } = options
  const effort: Effort = isQuick ? quickEffort : fullEffort
  const setting = { seed, values, effort }
  const [least, most] = [players.at(0), players.at(-1)]
  if (least === undefined || most === undefined) throw new Error('a simulation needs a number of players')
  const ifAsked = <Item>(part: Part, items: () => readonly Item[]) => (only.includes(part) ? items() : [])
  const plan = {
    days: ifAsked('day', () => players.map((count) => dayRuns(count, setting))),
    tiers: ifAsked('tiers', () => [...new Set([least, most])].flatMap((count) => tierRuns(count, setting))),
    sensitivity: ifAsked('sensitivity', () => sensitivityRuns(most, setting)),
    check: ifAsked('check', () => checkRuns(setting)),
  }
  const runs = [...plan.days.flat(), ...plan.tiers, ...plan.sensitivity, ...plan.check]
  const outcomes = await simulateAll(
    runs.map(({ scenario }) => scenario),
    threads,
    onProgress,
  )
  const measured = new Map(runs.map((run, at) => [run, outcomes[at] ?? []]))
  const loadsOf = (run: Run) => loadsOfRun(run, measured.get(run) ?? [])
  const named = (run: Run): Named[] => loadsOf(run).map((load) => ({ name: run.name, players: run.players, load }))
  return {
    seed,
    isQuick,
    days: plan.days.map((ofDay) => dayOf(ofDay.flatMap(loadsOf), values)),
    tiers: plan.tiers.flatMap(named),
    sensitivity: plan.sensitivity.flatMap(named),
    check: plan.check.flatMap(named),
    networks: only.includes('limits') ? await networkFates(values, seed) : [],
  }
}

const loadsOfRun = ({ moments, values }: Run, measured: readonly Measured[]): Load[] =>
  moments.flatMap((moment, at) => {
    const seen = measured[at]
    return seen ? [loadOf(moment, seen, values)] : []
  })

/** @param loads trough, mean and peak, then the event by its minutes */
const dayOf = (loads: readonly Load[], values: Values): Day => {
  const [, mean, peak] = loads
  if (!mean || !peak) throw new Error('a day has a mean and a peak')
  const most = (of: (load: Load) => number) => Math.max(...loads.map(of))
  const { players } = peak
  const sizes = sizesOf(
    {
      players,
      mean,
      busiest: {
        upstashCommands: most((load) => load.upstashCommands),
        coreCpus: most((load) => load.cpus.core),
        postgresCpus: most((load) => load.cpus.postgres),
      },
    },
    { hardMs: livesOfProfiles.hardMs, values },
  )
  return { players, loads, sizes, cost: costOf(mean, sizes, values) }
}
