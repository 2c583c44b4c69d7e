import { commandsOf, fillWrites } from './commands.ts'
import type { InputName, Values } from './inputs.ts'
import type { Rates } from './tally.ts'
import { type Moment, type RouteLoad, routeLoadsOf } from './traffic.ts'

/** What a deployment does at a moment, a second, by simulation and by what the other routes are asked. */
export type Load = {
  readonly name: string
  readonly players: number
  /** Requests that arrive at the edge. */
  readonly requests: number
  /** What the cached reads saw. */
  readonly cached: Rates
  readonly isolates: number
  readonly upstashCommands: number
  readonly upstashWrites: number
  readonly upstashDatabases: number
  readonly coreRequests: number
  /** Commands that are kept: sign-ins, refreshes, writes. */
  readonly postgresWrites: number
  readonly events: number
  /** Seconds of CPU in a second: how many are busy on average. */
  readonly cpus: { readonly edge: number; readonly core: number; readonly postgres: number }
}

/** Seconds for which an isolate asks nobody for a document. @see edge/document.ts */
const documentLives = { ofEachCell: [10, 5], ofAll: [10, 5] } as const

const perMicrosecond = 1e-6

/** Puts together what was simulated and what follows from habits alone. */
export const loadOf = (
  moment: Moment,
  { rates, isolates }: { readonly rates: Rates; readonly isolates: number },
  values: Values,
): Load => {
  const routes = routeLoadsOf(moment, values)
  const { lookUps, fills, raises, coreReads } = rates.perSecond
  const forwarded = routes.filter(
    ({ route }) => route.delivery.kind === 'direct' || route.delivery.kind === 'forwarded',
  )
  const events = sumOf(routes, ({ perSecond, events }) => perSecond * events)
  const upstashCommands = lookUps * commandsOf.lookUps + fills * commandsOf.fills + raises * commandsOf.raises
  return {
    name: moment.name,
    players: moment.players,
    requests: sumOf(routes, ({ perSecond }) => perSecond),
    cached: rates,
    isolates,
    upstashCommands,
    upstashWrites: fills * fillWrites + raises * commandsOf.raises,
    upstashDatabases: Math.max(1, Math.ceil(upstashCommands / values.upstashCommandsMax)),
    coreRequests: sumOf(forwarded, ({ perSecond }) => perSecond) + coreReads + documentsPerSecond(values),
    postgresWrites: sumOf(forwarded, ({ route, perSecond }) => (route.delivery.kind === 'forwarded' ? perSecond : 0)),
    events,
    cpus: {
      edge: edgeCpus(routes, rates, values),
      core:
        sumOf(forwarded, ({ perSecond, work }) => perSecond * work.coreUs * perMicrosecond) +
        (coreReads * values.coreReadUs + events * values.coreEventUs) * perMicrosecond,
      postgres:
        sumOf(forwarded, ({ perSecond, work }) => perSecond * work.postgresUs * perMicrosecond) +
        (coreReads * values.postgresReadUs + events * values.postgresEventUs) * perMicrosecond,
    },
  }
}

/** Each city asks the cells once in the life of each document. */
const documentsPerSecond = ({ dataCentres, cells }: Values): number => {
  const perSecond = (lives: readonly number[]) => lives.reduce((sum, seconds) => sum + 1 / seconds, 0)
  return dataCentres * (cells * perSecond(documentLives.ofEachCell) + perSecond(documentLives.ofAll))
}

const edgeCpus = (routes: readonly RouteLoad[], { shares, readsPerSecond }: Rates, values: Values): number => {
  const byTier: readonly (readonly [number, InputName])[] = [
    [shares.memory, 'edgeMemoryUs'],
    [shares['data-centre'], 'edgeDataCentreUs'],
    [shares.upstash, 'edgeUpstashUs'],
    [shares.core, 'edgeMissUs'],
  ]
  const cachedUs = readsPerSecond * byTier.reduce((sum, [share, cost]) => sum + share * values[cost], 0)
  const othersUs = sumOf(routes, ({ route, perSecond }) => {
    const { delivery } = route
    if (delivery.kind === 'cached') return 0
    if (delivery.kind !== 'local') return perSecond * values.edgeForwardUs
    return (
      perSecond * ('evaluates' in delivery && delivery.evaluates === 'flags' ? values.edgeFlagsUs : values.edgeMemoryUs)
    )
  })
  return (cachedUs + othersUs) * perMicrosecond
}

const sumOf = (routes: readonly RouteLoad[], of: (load: RouteLoad) => number): number =>
  routes.reduce((sum, load) => sum + of(load), 0)
