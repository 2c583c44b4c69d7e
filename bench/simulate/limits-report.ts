import type { Values } from './inputs.ts'
import type { Load } from './load.ts'
import type { Day } from './simulation.ts'
import { rounded } from './table.ts'

/**
 * With how many players each limit is reached, the first one first. By proportion from the smallest deployment: everything but the
 * share of near tiers grows with players alike.
 */
export const limitsText = (days: readonly Day[], values: Values): string => {
  const [least] = days
  return least ? limitsOf(least, values).map(limitText).join('\n') : ''
}

/** A limit, the players of an evening with whom it is reached, and what is done about it then. */
type Reached = { readonly players: number; readonly limit: string; readonly raise: string }

/** @param day of the smallest deployment that was simulated */
const limitsOf = ({ players, loads, sizes }: Day, values: Values): readonly Reached[] => {
  const most = (of: (load: Load) => number) => Math.max(...loads.map(of))
  const peak = loads[2]
  const reach = (used: number, limit: number) => (players * limit) / used
  const postgresMax = values.postgresVcpusMax * values.postgresUtilisation * values.cells
  const found: Reached[] = [
    {
      players: reach(sizes.upstashKeys, values.upstashKeysMax * fullShare),
      limit: `${rounded(values.upstashKeysMax * fullShare)} keys in Upstash: edges stop to fill it`,
      raise: 'UPSTASH_KEYS_MAX, and the plan of the database',
    },
    {
      players: reach(peak?.upstashCommands ?? 0, values.upstashCommandsMax),
      limit: `${rounded(values.upstashCommandsMax)} commands/s of one Upstash database, in an evening`,
      raise: 'the number of databases, of which the edge uses one today',
    },
    {
      players: reach(
        most((load) => load.cpus.postgres),
        postgresMax,
      ),
      limit: `${rounded(values.postgresVcpusMax)} vCPUs of Postgres in each of ${values.cells} cells, at an event`,
      raise: 'cells',
    },
  ]
  return found.toSorted((a, b) => a.players - b.players)
}

/** Of the keys that a store is sized for. @see edge/cache/global-tier.ts */
const fullShare = 0.8

const limitText = ({ players, limit, raise }: Reached): string =>
  `- about ${rounded(players)} players: ${limit}. To be raised: ${raise}.`
