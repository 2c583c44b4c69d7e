import { parseArgs } from 'node:util'
import { type ScenarioName, scenarioNames } from './scenarios.ts'

/** What a run was asked for. */
export type Options = {
  readonly suite: 'core'
  /** Of each measured phase, its warm-up not counted. */
  readonly seconds: number
  /** Ascending. */
  readonly connections: readonly number[]
  readonly scenarios: readonly ScenarioName[]
  /** Where results go; absent: a folder of its own under `bench/results`. */
  readonly output?: string
  readonly nakama?: {
    readonly url: URL
    readonly key: string
    readonly pids: { readonly server?: number; readonly postgres?: number }
  }
}

/** Backends of pgbench, pools of two cores and our own questions fit into the 200 connections of the local Postgres. */
const connectionsMax = 150
const secondsMax = 60

export const usage = `npm run bench -- core [options]

  --seconds N             of each phase, 1 to ${secondsMax}; 5 where it is absent
  --connections 1,32,128  of the closed loops, 1 to ${connectionsMax} each
  --only NAME,NAME        of ${scenarioNames.join(', ')}
  --output FOLDER         for results.json, results.md and results.svg
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
      connections: { type: 'string', default: '1,32,128' },
      only: { type: 'string', default: scenarioNames.join(',') },
      output: { type: 'string' },
      'peer-nakama': { type: 'string' },
      'nakama-key': { type: 'string', default: 'defaultkey' },
      'peer-pid': { type: 'string' },
    },
  })
  const [suite, ...more] = positionals
  if (suite !== 'core' || more.length > 0) throw new Error('the one suite is: core')
  const numbers = values.connections.split(',').map((text) => whole('--connections', text, connectionsMax))
  const [server, postgres] = (values['peer-pid']?.split(',') ?? []).map((text) => whole('--peer-pid', text))
  const peer = values['peer-nakama']
  const pids = { ...(server === undefined ? {} : { server }), ...(postgres === undefined ? {} : { postgres }) }
  return {
    suite,
    seconds: whole('--seconds', values.seconds, secondsMax),
    connections: [...new Set(numbers)].toSorted((a, b) => a - b),
    scenarios: scenarioNames.filter((name) => names(values.only).includes(name)),
    ...(values.output === undefined ? {} : { output: values.output }),
    ...(peer === undefined ? {} : { nakama: { url: loopback(peer), key: values['nakama-key'], pids } }),
  }
}

const whole = (name: string, text: string, max = 2 ** 31): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > max)
    throw new Error(`${name} takes whole numbers from 1 to ${max}, not: ${text}`)
  return value
}

const names = (text: string): readonly string[] => {
  const given = text.split(',')
  const unknown = given.find((name) => !scenarioNames.some((known) => known === name))
  if (unknown !== undefined) throw new Error(`--only takes ${scenarioNames.join(', ')}, not: ${unknown}`)
  return given
}

/** A load that leaves this machine would measure the network, and hit somebody else. */
const loopback = (text: string): URL => {
  const url = URL.parse(text)
  if (url?.protocol !== 'http:' || !['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname))
    throw new Error(`--peer-nakama takes an http address of this machine, not: ${text}`)
  return url
}
