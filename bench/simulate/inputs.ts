/** Where a figure comes from. What no source was found for is an assumption, and is called one. */
export type Basis =
  | { readonly kind: 'assumption' }
  | { readonly kind: 'source'; readonly url: string; readonly read: string }
  | { readonly kind: 'code'; readonly file: string }
  | { readonly kind: 'measured'; readonly by: string }

export type Input = {
  /** By which documents refer to it; it never changes its meaning. */
  readonly id: string
  readonly value: number
  readonly unit: string
  /** What it is, and why this figure. */
  readonly what: string
  readonly basis: Basis
}

/** When the public pages were read, from stored copies of them. */
const read = '2026-11-28'

const assumed = (id: string, value: number, unit: string, what: string): Input => ({
  ...{ id, value, unit, what },
  basis: { kind: 'assumption' },
})
const stated = (id: string, value: number, unit: string, { what, url }: { what: string; url: string }): Input => ({
  ...{ id, value, unit, what },
  basis: { kind: 'source', url, read },
})
const inCode = (id: string, value: number, unit: string, { what, file }: { what: string; file: string }): Input => ({
  ...{ id, value, unit, what },
  basis: { kind: 'code', file },
})
const measured = (id: string, value: number, unit: string, { what, by }: { what: string; by: string }): Input => ({
  ...{ id, value, unit, what },
  basis: { kind: 'measured', by },
})

const workersPrices = 'https://developers.cloudflare.com/workflows/reference/pricing/'
const workersLogsPrices = 'https://developers.cloudflare.com/workers/observability/logs/workers-logs/'
const upstashPrices = 'https://upstash.com/pricing/redis'
const cloudRunPrices = 'https://cloud.google.com/run/pricing'
const cloudSqlPrices = 'https://www.usage.ai/blogs/gcp/cloud-sql/pricing/'
const egressPrices =
  'https://dev.to/suhas_mallesh/gcp-defaults-every-vm-to-premium-network-and-youre-paying-40-more-for-egress-you-dont-need-5bhm'
const coreBench = 'npm run bench -- core --connections 32 (two cores, shared with other programs)'
const edgeBench = 'npm run bench -- edge --connections 32 (two cores, shared with other programs)'

/** Every figure that the model takes, by the name that `--set` knows it under. Times are those of a concurrent player. */
export const inputs = {
  // Where the edge is.
  dataCentres: assumed(
    'W1',
    330,
    'cities',
    'Cloudflare wrote of more than 270 cities in March 2022 (blog.cloudflare.com/mid-2022-new-cities), and is said to have about 330 now. Each city is one cache.',
  ),
  dataCentreExponent: assumed(
    'W2',
    0.8,
    '',
    'Traffic of the r-th city by size is as r to the minus this: the largest has about 9 %. Cloudflare publishes no shares.',
  ),
  requestsPerIsolate: assumed(
    'W3',
    300,
    'requests/s',
    'A city runs as many isolates as it has multiples of this. Cloudflare gathers a Worker on few servers while they bear it (blog.cloudflare.com/eliminating-cold-starts-2-shard-and-conquer) and publishes no figure.',
  ),
  cells: assumed('W4', 3, 'cells', 'Players are at home in all of them alike.'),
  dataCentreMs: assumed('W5', 3, 'ms', 'An answer of the Cache API, which is in the same building.'),
  upstashMs: assumed('W6', 20, 'ms', 'An answer of Upstash, from a region that is near.'),
  coreMs: assumed('W7', 60, 'ms', 'An answer of a core, from another continent as often as not.'),
  invalidationMs: inCode('W8', 300, 'ms', {
    what: 'From a change to its version in Upstash; the promise is a p99 under 500.',
    file: 'docs/caching.md',
  }),

  // Who plays, and what they ask for.
  profilesPerPlayer: stated('P1', 20, 'profiles', {
    what: 'Profiles that are there to be read, for each player of the evening peak: as many as play in a day, by the ratio that the makers of Photon give.',
    url: 'http://forum.photonengine.com/discussion/11642/synchronous-match-making-critical-mass-ccu-dau-needed',
  }),
  zipfExponent: assumed(
    'P2',
    0.8,
    '',
    'How reads gather on the best known profiles. Requests for pages follow a law of this form with an exponent that differs from trace to trace (Breslau and others, 1999); nobody has published one for profiles.',
  ),
  troughShare: assumed(
    'P3',
    0.4,
    'of the peak',
    'Players of the quietest hour, over all time zones. The day is a cosine between the two.',
  ),
  readsPerMinute: assumed('P4', 1, 'a minute', 'Profiles of others that a player opens.'),
  walletReadsPerMinute: assumed('P5', 0.3, 'a minute', 'Looks at the own wallet.'),
  flagsPerMinute: assumed('P6', 0.1, 'a minute', 'Evaluations of all flags: a client asks again every ten minutes.'),
  calendarsPerMinute: assumed('P7', 0.1, 'a minute', 'Looks at the live events.'),
  grantsPerMinute: assumed(
    'P8',
    0.2,
    'a minute',
    "Transactions by the game's servers: one at the end of a match of five minutes.",
  ),
  changesPerMinute: assumed('P9', 0.005, 'a minute', 'Changes of the own profile: one in three hours of play.'),
  refreshesPerMinute: inCode('P10', 0.1, 'a minute', {
    what: 'An access token lives ten minutes.',
    file: 'contract/auth.ts',
  }),
  signInsPerMinute: assumed(
    'P11',
    0.05,
    'a minute',
    'An app that starts signs in, reads its own profile and reports what it showed: sessions of 20 minutes.',
  ),
  crowd: assumed('P12', 1_000, 'profiles', 'Those at the top of an event, whom everyone looks at.'),
  eventPlayersShare: assumed('P13', 0.3, 'of the peak', 'Players who come for the event beside those of an evening.'),
  eventArrivalSeconds: assumed(
    'P14',
    180,
    's',
    'Time constant of their arrival: in the first three minutes 63 % of them sign in.',
  ),
  eventJoinShare: assumed('P15', 0.6, 'of all players', 'Of those who are there, who joins.'),
  eventJoinSeconds: assumed('P16', 120, 's', 'Time constant of their joining.'),
  eventReadsFactor: assumed(
    'P17',
    2,
    'times',
    'Profiles read at its start, against an evening; this falls back with the time constant of arrivals. What is more goes to the crowd of P12.',
  ),

  // What things weigh.
  entryBytes: inCode('B1', 2_000, 'bytes', {
    what: "An entry of a profile of 600 bytes in memory, by the tier's own count.",
    file: 'edge/cache/memory-tier.ts',
  }),
  upstashEntryBytes: assumed('B2', 800, 'bytes', 'The same in Upstash, with its key.'),
  upstashVersionBytes: assumed('B3', 150, 'bytes', 'A version in Upstash, with its key.'),
  answerBytes: assumed('B4', 1_000, 'bytes', 'An answer of a core on its way to the edge, with its headers.'),
  eventBytes: assumed(
    'B5',
    1_000,
    'bytes',
    'A message on Pub/Sub, with its attributes. The least that a request is charged.',
  ),
  ledgerBytes: assumed('B6', 400, 'bytes', 'A grant in Postgres for good: row and indexes.'),
  ledgerMonths: assumed('B7', 12, 'months', 'How much of the ledger there is.'),
  logLineBytes: inCode('B8', 300, 'bytes', {
    what: "A core's line of a request, with what Cloud Logging adds left out.",
    file: 'core/app.ts',
  }),

  // What work costs. All of it was measured on a machine that others used too, so it is rather too much than too little.
  edgeMemoryUs: measured('C1', 150, 'us CPU', {
    what: 'Worker: an answer from memory, with a session; also the calendar.',
    by: edgeBench,
  }),
  edgeFlagsUs: measured('C2', 830, 'us CPU', {
    what: 'Worker: all of a thousand flags with twenty rules each, none of which is for the player.',
    by: edgeBench,
  }),
  edgeDataCentreUs: measured('C3', 360, 'us CPU', { what: 'Worker: an answer from the data centre.', by: edgeBench }),
  edgeUpstashUs: measured('C4', 560, 'us CPU', { what: 'Worker: an answer from Upstash.', by: edgeBench }),
  edgeMissUs: measured('C5', 1_300, 'us CPU', {
    what: 'Worker: an answer from the core, with its fill.',
    by: edgeBench,
  }),
  edgeForwardUs: assumed(
    'C6',
    600,
    'us CPU',
    'Worker: a request that is forwarded; one subrequest, as an answer from Upstash has.',
  ),
  coreReadUs: measured('C7', 530, 'us CPU', {
    what: 'Core: a read of a profile; of a wallet it is taken for alike.',
    by: coreBench,
  }),
  coreSignInUs: measured('C8', 310, 'us CPU', { what: 'Core: a sign-in with a device.', by: coreBench }),
  coreRefreshUs: measured('C9', 190, 'us CPU', { what: 'Core: a refresh.', by: coreBench }),
  coreWriteUs: measured('C10', 250, 'us CPU', {
    what: 'Core: a grant; joins and exposures are taken for alike.',
    by: coreBench,
  }),
  coreChangeUs: measured('C11', 540, 'us CPU', { what: 'Core: a change of a profile.', by: coreBench }),
  coreEventUs: assumed('C12', 200, 'us CPU', 'Core: relay and consumers, for each event.'),
  postgresReadUs: measured('C13', 240, 'us CPU', { what: 'Postgres: a read by its key.', by: coreBench }),
  postgresSignInUs: measured('C14', 110, 'us CPU', { what: 'Postgres: a sign-in.', by: coreBench }),
  postgresRefreshUs: measured('C15', 90, 'us CPU', { what: 'Postgres: a refresh.', by: coreBench }),
  postgresWriteUs: measured('C16', 330, 'us CPU', {
    what: 'Postgres: a grant, in sets of about seven.',
    by: coreBench,
  }),
  postgresChangeUs: measured('C17', 540, 'us CPU', { what: 'Postgres: a change of a profile.', by: coreBench }),
  postgresEventUs: assumed('C18', 60, 'us CPU', 'Postgres: an event claimed, marked and deleted, in batches.'),
  coreUtilisation: assumed('C19', 0.6, 'of a vCPU', 'How busy instances of the core are kept.'),
  postgresUtilisation: assumed('C20', 0.5, 'of a vCPU', 'How busy Postgres is at its busiest minute.'),
  postgresGibPerVcpu: assumed('C21', 4, 'GiB', 'Memory of Postgres for each vCPU.'),
  coreGibPerVcpu: assumed('C22', 1, 'GiB', 'Memory of a core for each vCPU.'),

  // What cannot be passed.
  upstashCommandsMax: stated('L1', 10_000, 'commands/s', {
    what: 'Of one database, on every plan but Enterprise.',
    url: upstashPrices,
  }),
  upstashKeysMax: inCode('L2', 2_000_000, 'keys', {
    what: 'UPSTASH_KEYS_MAX as it is delivered; at four fifths of it fills stop.',
    file: 'wrangler.toml',
  }),
  postgresVcpusMax: stated('L3', 96, 'vCPUs', {
    what: 'Of one Cloud SQL instance, Enterprise edition.',
    url: 'https://cloud.google.com/sql/pricing',
  }),
  publicLimit: inCode('L4', 1_000, 'in 10 s', {
    what: 'Requests of one network without a session, in one city.',
    file: 'wrangler.toml',
  }),

  // What it costs, US dollars before discounts.
  workersPerMillion: stated('D1', 0.3, '$/million', {
    what: 'Requests of Workers, after the first ten million a month.',
    url: workersPrices,
  }),
  workersCpuPerMillionMs: stated('D2', 0.02, '$/million ms', {
    what: 'CPU of Workers, after the first 30 million a month.',
    url: workersPrices,
  }),
  upstashPerMillion: stated('D3', 2, '$/million', { what: 'Commands, pay as you go.', url: upstashPrices }),
  upstashFixedGb: stated('D4', 50, 'GB', {
    what: 'Data of the fixed plan that is compared; 5 TB of traffic a month.',
    url: upstashPrices,
  }),
  upstashFixed: stated('D5', 400, '$/month', { what: 'That plan, in one region.', url: upstashPrices }),
  upstashRegion: stated('D6', 200, '$/month', { what: 'Each region more.', url: upstashPrices }),
  upstashRegions: assumed(
    'D7',
    3,
    'regions',
    'One near each cell. A command that writes is charged once in each, pay as you go.',
  ),
  cloudRunVcpuSecond: stated('D8', 0.000_018, '$', {
    what: 'A vCPU of Cloud Run for a second, billed by instance, tier 1.',
    url: cloudRunPrices,
  }),
  cloudRunGibSecond: stated('D9', 0.000_002, '$', {
    what: 'A GiB of Cloud Run for a second, the same.',
    url: cloudRunPrices,
  }),
  cloudSqlVcpuHour: stated('D10', 0.0413, '$', {
    what: 'A vCPU of Cloud SQL Enterprise for an hour, us-central1; twice that with a standby.',
    url: cloudSqlPrices,
  }),
  cloudSqlGibHour: stated('D11', 0.007, '$', {
    what: 'A GiB of its memory for an hour; twice that with a standby.',
    url: cloudSqlPrices,
  }),
  cloudSqlStorage: assumed(
    'D12',
    0.34,
    '$/GiB',
    'SSD of Cloud SQL for a month, with a standby. The page that was read names no figure that could be checked.',
  ),
  memorystore: assumed(
    'D13',
    300,
    '$/cell',
    'Two small nodes of Memorystore for Valkey for a month. No list price was found in what could be read.',
  ),
  pubsubPerTib: stated('D14', 40, '$/TiB', {
    what: 'Messages in, and out to each subscription.',
    url: 'https://cloud.google.com/pubsub/pricing',
  }),
  pubsubDeliveries: assumed('D15', 2, 'subscriptions', "Of the game's own services and ours, for each event."),
  egressPerGib: stated('D16', 0.08, '$/GiB', {
    what: 'From Google to the internet, above 10 TB a month; less is dearer.',
    url: egressPrices,
  }),
  egressFirstPerGib: stated('D17', 0.12, '$/GiB', { what: 'The same, the first TB.', url: egressPrices }),
  egressNextPerGib: stated('D18', 0.11, '$/GiB', { what: 'The same, from there to 10 TB.', url: egressPrices }),
  workersLogsPerMillion: stated('D19', 0.6, '$/million', {
    what: 'Lines of Workers Logs, after the first 20 million a month.',
    url: workersLogsPrices,
  }),
  cloudLoggingPerGib: stated('D20', 0.5, '$/GiB', {
    what: 'Cloud Logging, after the first 50 GiB of a project a month.',
    url: 'https://cloud.google.com/stackdriver/pricing',
  }),
} as const satisfies Readonly<Record<string, Input>>

export type InputName = keyof typeof inputs

/** The figures of a run. */
export type Values = Readonly<Record<InputName, number>>

/** All figures, those that are given in place of their own. */
export const valuesOf = (given: Partial<Values> = {}): Values => {
  const own = Object.entries(inputs).map(([name, { value }]) => [name, value] as const)
  return { ...(Object.fromEntries(own) as Record<InputName, number>), ...given }
}

/** What no figure says: the form of the model. */
export const modelAssumptions: readonly { readonly id: string; readonly what: string }[] = [
  {
    id: 'M1',
    what: 'Reads come by themselves (Poisson), and what is read next does not depend on what was read before. Friends who read each other again and again would be found in a cache more often.',
  },
  { id: 'M2', what: 'What is popular is popular everywhere. Where each region has its own, near tiers do better.' },
  {
    id: 'M3',
    what: 'A city is one Cache API and keeps an entry for as long as anybody looks at it. Cloudflare may drop it, and may have several caches in a city: then Upstash is asked more often.',
  },
  {
    id: 'M4',
    what: 'A request goes to any isolate of its city alike. A player who keeps a connection keeps an isolate, which changes nothing for profiles that all read.',
  },
  { id: 'M5', what: 'Isolates live on while there is load; those that an event starts begin empty.' },
  {
    id: 'M6',
    what: 'Nothing fails, is late or is lost: Upstash takes any number of commands, and the table says how many databases that would be. Past its limit it refuses, and the core is asked instead.',
  },
  { id: 'M7', what: 'Every city follows one curve of the day, as if it were evening everywhere.' },
  {
    id: 'M8',
    what: 'Documents (keys, clients, revocations, content) are asked for by each city once in their fresh life.',
  },
  {
    id: 'M9',
    what: 'Load between trough, mean and peak is not simulated: what is paid by use goes by the mean, what is provisioned by the busiest minute of the event.',
  },
  { id: 'M10', what: "Of a minute of the event some twenty seconds are simulated, at that minute's mean rates." },
]
