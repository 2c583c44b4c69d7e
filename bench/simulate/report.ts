import type { Values } from './inputs.ts'
import { limitsText } from './limits-report.ts'
import type { Load } from './load.ts'
import { readCostsOf } from './read-cost.ts'
import type { Day, Named, Simulation } from './simulation.ts'
import { percent, playersText, rounded, tableOf } from './table.ts'

/** The whole outcome for people, in Markdown. Parts that were not asked for are left out. */
export const reportOf = (simulation: Simulation, values: Values): string => {
  const { days, tiers, sensitivity, check, networks } = simulation
  const sections = [
    days.length > 0 && section('The day and an event, by players in the evening', dayTable(days)),
    days.length > 0 && section('What has to be there for the busiest minute', sizesTable(days, values)),
    days.length > 0 && section('What a month costs, US dollars at list prices', costTable(days)),
    days.length > 0 && section('What a million reads cost by who answers, US dollars', readCostTable(values)),
    days.length > 0 && section('What is reached first', limitsText(days, values)),
    tiers.length > 0 && section('The evening without some tier', namedTable('tiers', tiers)),
    sensitivity.length > 0 &&
      section('The evening under other figures, one at a time', namedTable('figure', sensitivity)),
    check.length > 0 && section('The sample against a run that leaves nothing out', checkTable(check)),
    networks.length > 0 &&
      section('Sign-ins of the first five minutes of an event, from behind one address', networkTable(simulation)),
  ]
  return sections.filter((text) => text !== false).join('\n\n')
}

const section = (title: string, body: string) => `## ${title}\n\n${body}`

const shareTitles = ['memory %', 'data centre %', 'Upstash %', 'core %']
const sharesOf = ({ cached: { shares } }: Load) =>
  [shares.memory, shares['data-centre'], shares.upstash, shares.core].map(percent)

/** One row a moment. Reads are those of profiles, and their shares add up to 100. */
export const dayTable = (days: readonly Day[]): string =>
  tableOf(
    [
      'players',
      'moment',
      'requests/s',
      'reads/s',
      ...shareTitles,
      'isolates',
      'Upstash commands/s',
      'databases',
      'core requests/s',
      'Postgres writes/s',
    ],
    days.flatMap(({ players, loads }) =>
      loads.map((load) => [
        playersText(players),
        load.name,
        rounded(load.requests),
        rounded(load.cached.readsPerSecond),
        ...sharesOf(load),
        rounded(load.isolates),
        rounded(load.upstashCommands),
        rounded(load.upstashDatabases),
        rounded(load.coreRequests),
        rounded(load.postgresWrites),
      ]),
    ),
  )

const sizesTable = (days: readonly Day[], { cells }: Values) =>
  tableOf(
    [
      'players',
      'Upstash databases',
      'Upstash keys',
      'Upstash GB',
      'core vCPUs',
      `Postgres vCPUs in each of ${cells} cells`,
      'ledger GB a month',
    ],
    days.map(({ players, sizes }) => [
      playersText(players),
      rounded(sizes.upstashDatabases),
      rounded(sizes.upstashKeys),
      rounded(sizes.upstashGb),
      rounded(sizes.coreVcpus),
      rounded(sizes.postgresVcpusPerCell),
      rounded(sizes.ledgerGbPerMonth),
    ]),
  )

const costTable = (days: readonly Day[]) =>
  tableOf(
    [
      'players',
      'Workers',
      'Upstash',
      'paid',
      'Cloud Run',
      'Cloud SQL',
      'Memorystore',
      'Pub/Sub',
      'egress',
      'total',
      'a million players',
    ],
    days.map(({ players, cost }) => [
      playersText(players),
      rounded(cost.workers),
      rounded(cost.upstash),
      cost.upstashPlan,
      ...[cost.cloudRun, cost.cloudSql, cost.memorystore, cost.pubsub, cost.egress, cost.total].map(rounded),
      rounded((cost.total / players) * 1_000_000),
    ]),
  )

const readCostTable = (values: Values) =>
  tableOf(
    ['answered by', 'Workers', 'Upstash by use', 'or by fixed databases', 'core, Postgres, egress'],
    readCostsOf(values).map(({ answeredBy, workers, upstashByUse, upstashFixed, core }) => [
      answeredBy,
      ...[workers, upstashByUse, upstashFixed, core].map((dollars) => dollars.toFixed(2)),
    ]),
  )

const namedTable = (title: string, rows: readonly Named[]) =>
  tableOf(
    [title, 'players', ...shareTitles, 'Upstash commands/s', 'core requests/s', 'isolates'],
    rows.map(({ name, players, load }) => [
      name,
      playersText(players),
      ...sharesOf(load),
      rounded(load.upstashCommands),
      rounded(load.coreRequests),
      rounded(load.isolates),
    ]),
  )

const checkTable = (rows: readonly Named[]) => {
  const lines = rows.map(({ name, load }) => ({ name, load }))
  const [whole, sample] = lines
  const differences = whole && sample ? [differenceOf(whole.load, sample.load)] : []
  const table = tableOf(
    ['run', 'reads simulated', ...shareTitles, 'Upstash commands/s', 'core requests/s'],
    [
      ...lines.map(({ name, load }) => [
        name,
        rounded(load.cached.simulated),
        ...sharesOf(load),
        rounded(load.upstashCommands),
        rounded(load.coreRequests),
      ]),
      ...differences,
    ],
  )
  const error = sample ? Math.max(...Object.values(sample.load.cached.shareErrors)) : 0
  return `${table}\n\nThe standard error of the sample's shares is up to ${percent(error)} points.`
}

const differenceOf = (whole: Load, sample: Load): string[] => {
  const points = (of: keyof Load['cached']['shares']) => percent(sample.cached.shares[of] - whole.cached.shares[of])
  const relative = (of: 'upstashCommands' | 'coreRequests') => `${percent(sample[of] / whole[of] - 1)} %`
  return [
    'difference',
    '',
    points('memory'),
    points('data-centre'),
    points('upstash'),
    points('core'),
    relative('upstashCommands'),
    relative('coreRequests'),
  ]
}

const networkTable = ({ networks }: Simulation) =>
  tableOf(
    ['players of an evening behind it', 'sign-ins', 'refused by the edge %', 'refused by the core %'],
    networks.map(({ players, signIns, refusedByEdge, refusedByCore }) => [
      rounded(players),
      rounded(signIns),
      percent(refusedByEdge),
      percent(refusedByCore),
    ]),
  )
