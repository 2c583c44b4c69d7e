import type { ConnectionLimits } from '#db/connections.ts'
import { connectionsBeside } from '#db/link.ts'

/** What a deployment opens to one server of Postgres. */
export type PoolPlan = {
  /** Core processes of all roles that run at once at the most, 1 or more. */
  readonly instancesMax: number
  /** Connections of one process's pool at the most, 2 or more. */
  readonly poolMax: number
}

/**
 * Tenths of a server's connections that core processes may take. The rest is for commands, migrations, people, and the instances of
 * the release before while one replaces the other.
 */
const tenthsMax = 8

/**
 * What is wrong with a plan, in one line with every figure and what to change: `instancesMax x (poolMax + 2)` must not pass
 * `0.8 x (connectionsMax - reserved)`. Undefined where it holds. Whole numbers all along, so that no rounding decides.
 *
 * @param server what the line calls the server
 */
export const poolFault = (
  { instancesMax, poolMax }: PoolPlan,
  { connectionsMax, reserved }: ConnectionLimits,
  server: string,
): string | undefined => {
  const needed = instancesMax * (poolMax + connectionsBeside)
  const free = connectionsMax - reserved
  if (10 * needed <= tenthsMax * free) return undefined
  const allowed = Math.floor((tenthsMax * free) / 10)
  const connectionsNeeded = Math.ceil((10 * needed) / tenthsMax) + reserved
  const lowerPool = Math.floor(allowed / instancesMax) - connectionsBeside
  const lowerInstances = Math.floor(allowed / (poolMax + connectionsBeside))
  const remedies = [
    ...(lowerPool >= poolMin ? [`DATABASE_POOL to ${lowerPool}`] : []),
    ...(lowerInstances >= 1 ? [`INSTANCES_MAX to ${lowerInstances}`] : []),
    `max_connections to ${connectionsNeeded}`,
  ]
  return [
    `the pools do not fit ${server}:`,
    `INSTANCES_MAX ${instancesMax} x (DATABASE_POOL ${poolMax} + ${connectionsBeside}) = ${needed} connections,`,
    `and 0.${tenthsMax} x (max_connections ${connectionsMax} - ${reserved} reserved) = ${allowed};`,
    `set ${remedies.join(', or ')}`,
  ].join(' ')
}

/** As the setting has it: half of a pool is for transactions. */
const poolMin = 2
