import { parseArgs } from 'node:util'
import { type EdgeScenarioName, edgeScenarioNames } from './edge-scenarios.ts'
import { type ScenarioName, scenarioNames } from './scenarios.ts'

type Common = {
  /** Of each measured phase, its warm-up not counted. */
  readonly seconds: number
  /** How often each contestant has its turn. */
  readonly rounds: number
  /** Ascending. */
  readonly connections: readonly number[]
  /** Where results go; absent: a folder of its own under `bench/results`. */
  readonly output?: string
}

export type CoreOptions = Common & {
  readonly suite: 'core'
  readonly scenarios: readonly ScenarioName[]
  /** Whether a core that reports to a collector is measured beside one that does not, in the place of all others. */
  readonly telemetry: boolean
  readonly nakama?: {
    readonly url: URL
    readonly key: string
    readonly pids: { readonly server?: number; readonly postgres?: number }
  }
}

export type EdgeOptions = Common & {
  readonly suite: 'edge'
  readonly scenarios: readonly EdgeScenarioName[]
  /** Whether a profile of a hit in memory is taken, after all has been measured. */
  readonly profile: boolean
}

/** What a run was asked for. */
export type Options = CoreOptions | EdgeOptions

/** Backends of pgbench, pools of two cores and our own questions fit into the 200 connections of the local Postgres. */
const coreConnectionsMax = 150
/** Beyond it one thread of workerd only queues. */
const edgeConnectionsMax = 512
const secondsMax = 60
const roundsMax = 100

export const usage = `npm run bench -- core|edge [options]

  --seconds N             of each phase, 1 to ${secondsMax}; 5 where it is absent
  --rounds N              of each phase, 1 to ${roundsMax}; 3 where it is absent: the least of which a median leaves out the one that
                          something disturbed
  --connections 1,32,128  of the closed loops; up to ${coreConnectionsMax} each for core, to ${edgeConnectionsMax} (1,32,256) for edge
  --only NAME,NAME        core: ${scenarioNames.join(', ')}
                          edge: ${edgeScenarioNames.join(', ')}
  --output FOLDER         for results.json, results.md and results.svg

edge alone:
  --profile               of a hit in memory, or of the evaluation where that is the first of --only, into a .cpuprofile and results.md

core alone:
  --telemetry             a core that reports to a collector, in alternation with one that does not; nothing else
  --peer-nakama URL       measures a running Nakama in alternation
  --nakama-key KEY        its server key; defaultkey where it is absent
  --peer-pid PID[,PID]    its process, and its Postgres's, for the CPU columns`

/** @throws Error that says what is wrong */
export const parseOptions = (args: readonly string[]): Options => {
  const { positionals, values } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '5' },
      rounds: { type: 'string', default: '3' },
      connections: { type: 'string' },
      only: { type: 'string' },
      output: { type: 'string' },
      profile: { type: 'boolean', default: false },
      telemetry: { type: 'boolean', default: false },
      'peer-nakama': { type: 'string' },
      'nakama-key': { type: 'string', default: 'defaultkey' },
      'peer-pid': { type: 'string' },
    },
  })
  const [suite, ...more] = positionals
  if ((suite !== 'core' && suite !== 'edge') || more.length > 0) throw new Error('the suites are: core, edge')
  const seconds = whole('--seconds', values.seconds, secondsMax)
  const rounds = whole('--rounds', values.rounds, roundsMax)
  const output = values.output === undefined ? {} : { output: values.output }
  if (suite === 'edge') {
    const connections = connectionsOf(values.connections ?? '1,32,256', edgeConnectionsMax)
    const scenarios = chosen(edgeScenarioNames, values.only)
    return { suite, seconds, rounds, connections, scenarios, profile: values.profile, ...output }
  }
  const connections = connectionsOf(values.connections ?? '1,32,128', coreConnectionsMax)
  const [server, postgres] = (values['peer-pid']?.split(',') ?? []).map((text) => whole('--peer-pid', text))
  const peer = values['peer-nakama']
  const pids = { ...(server === undefined ? {} : { server }), ...(postgres === undefined ? {} : { postgres }) }
  return {
    suite,
    seconds,
    rounds,
    connections,
    scenarios: chosen(scenarioNames, values.only),
    telemetry: values.telemetry,
    ...output,
    ...(peer === undefined ? {} : { nakama: { url: loopback(peer), key: values['nakama-key'], pids } }),
  }
}

const whole = (name: string, text: string, max = 2 ** 31): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > max)
    throw new Error(`${name} takes whole numbers from 1 to ${max}, not: ${text}`)
  return value
}

const connectionsOf = (text: string, max: number): number[] => {
  const numbers = text.split(',').map((number) => whole('--connections', number, max))
  return [...new Set(numbers)].toSorted((a, b) => a - b)
}

/** Those of `known` that the text names, in their order; all of them where it is absent. */
const chosen = <Name extends string>(known: readonly Name[], text: string | undefined): Name[] => {
  const given: readonly string[] = text?.split(',') ?? known
  const unknown = given.find((name) => !known.some((other) => other === name))
  if (unknown !== undefined) throw new Error(`--only takes ${known.join(', ')}, not: ${unknown}`)
  return known.filter((name) => given.includes(name))
}

/** A load that leaves this machine would measure the network, and hit somebody else. */
const loopback = (text: string): URL => {
  const url = URL.parse(text)
  if (url?.protocol !== 'http:' || !['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname))
    throw new Error(`--peer-nakama takes an http address of this machine, not: ${text}`)
  return url
}
