import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { type InputName, inputs, type Values, valuesOf } from './inputs.ts'
import { type Part, parts, type SimulationOptions } from './simulation.ts'

/** What a run was asked for. */
export type Options =
  | { readonly kind: 'help' }
  | { readonly kind: 'inputs'; readonly values: Values }
  | { readonly kind: 'bill'; readonly seed: number; readonly given: Partial<Values>; readonly threads: number }
  | {
      readonly kind: 'run'
      readonly simulation: SimulationOptions
      /** Whether standard output gets JSON and nothing else. */
      readonly isJson: boolean
      /** Where results go; absent: a folder of its own under `bench/results`. */
      readonly output?: string
    }

/** Fewer are a test of one machine, more than these are no game that there is. */
const playersRange = { least: 10_000, most: 20_000_000 }
const threadsMax = 64
const seedMax = 2 ** 31 - 1

export const usage = `npm run simulate -- [options]

  --players 1M,2M,5M,10M  concurrent in the evening, ${playersRange.least} to ${playersRange.most}; k and M are understood
  --quick                 1M and 10M, fewer reads: ten seconds, and figures to a percent or two
  --only NAME,NAME        ${parts.join(', ')}
  --set NAME=VALUE        a figure of --inputs in another size; may be given several times
  --seed N                of what is left to chance; 1 where it is absent
  --threads N             as many as there are cores where it is absent; 0: none beside the first
  --json                  the outcome as JSON on standard output, and nothing else there
  --output FOLDER         for results.json, results.md and results.svg
  --bill                  what the three deployments of terraform/README.md cost a month, and nothing else
  --inputs                every figure and assumption with its source, and no run`

/** @throws Error that says what is wrong */
export const parseOptions = (args: readonly string[]): Options => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      players: { type: 'string' },
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      set: { type: 'string', multiple: true, default: [] },
      seed: { type: 'string', default: '1' },
      threads: { type: 'string' },
      json: { type: 'boolean', default: false },
      output: { type: 'string' },
      bill: { type: 'boolean', default: false },
      inputs: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return { kind: 'help' }
  const given = givenOf(values.set)
  const figures = valuesOf(given)
  const seed = whole('--seed', values.seed, { least: 0, most: seedMax })
  const threads = whole('--threads', values.threads ?? String(availableParallelism()), { least: 0, most: threadsMax })
  if (values.bill) return { kind: 'bill', seed, given, threads }
  if (values.inputs) return { kind: 'inputs', values: figures }
  const usualPlayers = values.quick ? '1M,10M' : '1M,2M,5M,10M'
  return {
    kind: 'run',
    simulation: {
      seed,
      players: playersOf(values.players ?? usualPlayers),
      isQuick: values.quick,
      only: chosen(values.only),
      values: figures,
      threads,
    },
    isJson: values.json,
    ...(values.output === undefined ? {} : { output: values.output }),
  }
}

const whole = (name: string, text: string, { least, most }: { readonly least: number; readonly most: number }) => {
  const value = Number(text)
  // What is empty counts as zero.
  if (text.trim() === '' || !Number.isInteger(value) || value < least || value > most)
    throw new Error(`${name} takes whole numbers from ${least} to ${most}, not: ${text}`)
  return value
}

const playersOf = (text: string): number[] => {
  const spelled = (part: string) =>
    part.replace(/^([\d.]+)([kM])$/, (_, digits, unit) => String(Number(digits) * units[unit as 'k' | 'M']))
  const numbers = text.split(',').map((part) => whole('--players', spelled(part), playersRange))
  return [...new Set(numbers)].toSorted((a, b) => a - b)
}

const units = { k: 1_000, M: 1_000_000 }

const chosen = (text: string | undefined): Part[] => {
  const given: readonly string[] = text?.split(',') ?? parts
  const unknown = given.find((name) => !parts.some((part) => part === name))
  if (unknown !== undefined) throw new Error(`--only takes ${parts.join(', ')}, not: ${unknown}`)
  return parts.filter((part) => given.includes(part))
}

const givenOf = (settings: readonly string[]): Partial<Values> =>
  Object.fromEntries(
    settings.map((setting) => {
      const [name = '', text = ''] = setting.split('=')
      if (!isInput(name)) throw new Error(`--set takes a name that --inputs lists, not: ${name}`)
      const value = Number(text)
      if (text === '' || !Number.isFinite(value) || value <= 0)
        throw new Error(`--set ${name} takes a number above 0, not: ${text}`)
      if (counts.includes(name) && !Number.isInteger(value))
        throw new Error(`--set ${name} takes a whole number, not: ${text}`)
      return [name, value]
    }),
  )

const isInput = (name: string): name is InputName => Object.hasOwn(inputs, name)

const counts: readonly InputName[] = ['dataCentres', 'cells', 'crowd']
