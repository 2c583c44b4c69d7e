import { X509Certificate } from 'node:crypto'
import * as z from 'zod'
import { type NamedKey, parseNamedKeys } from '#contract/edge-request.ts'
import { type Cell, cellSchema } from '#contract/ids.ts'
import type { BusTopic } from '#infra/event-bus.ts'
import { metadataHost } from '#infra/google-metadata.ts'
import { googleKeysUrl, type PushIdentity, pushVerifiers } from '#infra/push-identity.ts'
import { createDisplayNames, type DisplayNames, forbiddenNamesMax } from './display-names.ts'
import { oidcIssuersSetting } from './oidc-issuers.ts'

const namedKeys = z.string().transform((text, ctx): [NamedKey, ...NamedKey[]] => {
  try {
    return parseNamedKeys(text)
  } catch (error) {
    ctx.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) })
    return z.NEVER
  }
})

const postgresUrl = z.url({ protocol: /^postgres(ql)?$/ })

/** One certificate after the other. */
const certificates = z.string().refine(
  (text) => {
    const blocks = text.match(/-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs) ?? []
    return blocks.length > 0 && blocks.every(isCertificate)
  },
  { error: 'not certificates in PEM' },
)

const isCertificate = (pem: string): boolean => {
  try {
    return new X509Certificate(pem).raw.length > 0
  } catch {
    return false
  }
}

/** Cell -> address of its core. */
const cellAddresses = z.string().transform((text, ctx): ReadonlyMap<Cell, string> => {
  try {
    const addresses = z.record(z.string(), z.url()).parse(JSON.parse(text))
    return new Map(Object.entries(addresses).map(([cell, address]) => [cellSchema.parse(cell), address]))
  } catch {
    ctx.addIssue({ code: 'custom', message: 'not a JSON object of cells and addresses such as {"eu1":"https://…"}' })
    return z.NEVER
  }
})

/** Words, one after the other. */
const forbiddenNames = z.string().transform((text, ctx): DisplayNames => {
  const words = text.split(',').map((word) => word.trim())
  try {
    if (words.length > forbiddenNamesMax) throw new Error(`more than ${forbiddenNamesMax} words`)
    return createDisplayNames(words)
  } catch (error) {
    ctx.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) })
    return z.NEVER
  }
})

/** What the commands need: the database and the master keys. */
const commandShape = {
  CELL: cellSchema.describe('the code of this cell, such as eu1'),
  DATABASE_URL: postgresUrl.describe("the cell's Postgres, postgres://user:password@host:port/database"),
  MASTER_KEYS: namedKeys.describe(
    'id:base64 of 32 or more random bytes, the newest first; encrypts signing keys and chains refresh tokens',
  ),
  CONTROL_CELL: cellSchema.optional().describe('the cell that the others follow; this one where it is absent'),
}

const coreShape = {
  ...commandShape,
  PORT: z.coerce.number().int().min(1).max(65_535).describe('where to listen'),
  ROLE: z
    .enum(['api', 'worker', 'all'])
    .default('all')
    .describe('what this process does: answer requests, work off events, or both'),
  CELLS: cellAddresses
    .optional()
    .describe('JSON of every cell and the address of its core, this one included; absent where there is but one cell'),
  CORE_AUDIENCE: z
    .string()
    .min(1)
    .optional()
    .describe(
      'the audience of the ID tokens that cores are called with, behind the IAM of Google Cloud; absent where nothing asks for any',
    ),
  GCE_METADATA_HOST: z
    .string()
    .min(1)
    .default(metadataHost)
    .describe('host, or host:port, of the metadata server, which makes those tokens'),
  DATABASE_REPLICA_URL: postgresUrl
    .optional()
    .describe(
      'a read replica of DATABASE_URL that answers cached reads, for every role; one server, not several behind one address',
    ),
  DATABASE_POOL: z.coerce
    .number()
    .int()
    .min(2)
    .max(100)
    .default(16)
    .describe('connections to each Postgres at the most'),
  INSTANCES_MAX: z.coerce
    .number()
    .int()
    .min(1)
    .max(1_000)
    .default(1)
    .describe('core processes of this cell that run at once at the most, of all roles together'),
  WRITE_SET_SIZE: z.coerce
    .number()
    .int()
    .min(1)
    .max(256)
    .default(64)
    .describe('commands that one statement writes at the most; 1 writes each by itself'),
  WRITE_SETS_IN_FLIGHT: z.coerce
    .number()
    .int()
    .min(1)
    .max(16)
    .default(2)
    .describe('statements of one kind of write that are under way at once'),
  CONCURRENCY_MIN: z.coerce
    .number()
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe(
      'requests under way that are let in however slow they are; half of DATABASE_POOL, or 4 if that is more, where it is absent',
    ),
  CONCURRENCY_MAX: z.coerce
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(1_000)
    .describe('requests under way at the most, some tens of kilobytes each'),
  DELETION_GRACE_DAYS: z.coerce
    .number()
    .int()
    .min(0)
    .max(90)
    .default(30)
    .describe('days in which a player can take back that their account is to be deleted'),
  FORBIDDEN_NAMES: forbiddenNames
    .default(createDisplayNames([]))
    .describe(`words that no display name holds, separated by commas, ${forbiddenNamesMax} at the most`),
  ISSUER: z.url().describe('who signs access tokens: the public address of the edge'),
  EDGE_KEYS: namedKeys.describe('id:base64 of 32 or more random bytes, the newest first; the same as the edge has'),
  OIDC_ISSUERS: oidcIssuersSetting
    .default(new Map())
    .describe('whose ID tokens players may sign in with, as JSON: {"google": {"audiences": ["<client id>"]}}'),
  UPSTASH_URL: z.url().describe('REST address of the Upstash database'),
  UPSTASH_TOKEN: z.string().min(1).describe('token of the Upstash database'),
  REDIS_URL: z
    .url()
    .optional()
    .describe(
      'Memorystore, redis:// or with TLS rediss://; without it the limits are kept by each process for itself, as while it is lost',
    ),
  REDIS_CLUSTER: z
    .enum(['true', 'false'])
    .default('false')
    .describe("whether REDIS_URL is a cluster's discovery endpoint"),
  REDIS_CA: certificates
    .optional()
    .describe('PEM of the authorities that alone may sign for REDIS_URL, which is rediss:// then'),
  PUBSUB_PROJECT: z.string().min(1).default('perigee-local').describe('Google Cloud project of the topic'),
  PUBSUB_PREFIX: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,62}$/)
    .default('perigee')
    .describe('what the names of topic and subscriptions begin with'),
  PUBSUB_EMULATOR_HOST: z.string().optional().describe('host:port of the emulator'),
  EVENT_DELIVERY: z
    .enum(['pull', 'push'])
    .default('pull')
    .describe('whether the consumers pull their events, or Pub/Sub pushes them to /internal/events'),
  PUSH_AUDIENCE: z.string().min(1).optional().describe('the audience of the tokens that Pub/Sub pushes with'),
  PUSH_SERVICE_ACCOUNT: z.email().optional().describe('the service account that Pub/Sub pushes as'),
  PUSH_KEYS_URL: z.url().default(googleKeysUrl).describe('where the keys of those tokens are published'),
  PUSH_VERIFIED_BY: z
    .enum(pushVerifiers)
    .default('core')
    .describe(
      'who checks their signatures: the core, or the platform before it, as Cloud Run does where nobody calls without IAM',
    ),
  EVENT_BUS: z
    .enum(['pubsub', 'direct'])
    .default('pubsub')
    .describe('direct: no Pub/Sub, the relay hands events to the consumers in its process'),
}

const secretSettings: readonly string[] = [
  'DATABASE_URL',
  'DATABASE_REPLICA_URL',
  'MASTER_KEYS',
  'EDGE_KEYS',
  'UPSTASH_TOKEN',
] satisfies (keyof typeof coreShape)[]

const isRequired = (schema: z.ZodType) => !schema.safeParse(undefined).success

/** The names of the variables that a core reads: those without which it does not start, the others, and which nobody is to see. */
export const settings = {
  required: Object.entries(coreShape).flatMap(([name, schema]) => (isRequired(schema) ? [name] : [])),
  optional: Object.entries(coreShape).flatMap(([name, schema]) => (isRequired(schema) ? [] : [name])),
  secret: secretSettings,
}

const commandSchema = z.object(commandShape)
const coreSchema = z.object(coreShape)

export type CommandConfig = z.infer<typeof commandSchema>
export type Config = z.infer<typeof coreSchema>

type Env = Readonly<Record<string, string | undefined>>

/** The core's settings from its environment. @throws Error that names every variable that is missing or bad */
export const parseConfig = (env: Env): Config => parse(coreSchema, env)

/**
 * The Redis of this cell; undefined where there is none.
 * @throws Error when there is a REDIS_CA, and an address that is not rediss://
 */
export const redisOf = (config: Config): { url: string; cluster: boolean; ca: string | undefined } | undefined => {
  const { REDIS_URL: url, REDIS_CA: ca, REDIS_CLUSTER: cluster } = config
  if (ca !== undefined && !url?.startsWith('rediss://'))
    throw new Error('REDIS_CA is set: REDIS_URL has to begin with rediss://')
  return url === undefined ? undefined : { url, cluster: cluster === 'true', ca }
}

/** Who may push events to us; undefined where they are pulled. @throws Error when a setting for that is missing */
export const pushOf = (config: Config): PushIdentity | undefined => {
  const { PUSH_AUDIENCE: audience, PUSH_SERVICE_ACCOUNT: serviceAccount, PUSH_KEYS_URL: keysUrl } = config
  if (config.EVENT_DELIVERY === 'pull') return undefined
  if (config.EVENT_BUS === 'direct') throw new Error('EVENT_DELIVERY is push, and EVENT_BUS direct: nobody would push')
  if (!audience || !serviceAccount)
    throw new Error('EVENT_DELIVERY is push: PUSH_AUDIENCE and PUSH_SERVICE_ACCOUNT say whom to take events from')
  return { audience, serviceAccount, keysUrl, verifiedBy: config.PUSH_VERIFIED_BY }
}

/** This cell among the others. */
export type Neighbours = {
  readonly control: Cell
  /** The other cells, and where their cores are. */
  readonly others: ReadonlyMap<Cell, string>
}

/** @throws Error when this cell or the control cell is not among the cells */
export const neighboursOf = ({ CELL, CELLS, CONTROL_CELL = CELL }: Config): Neighbours => {
  const cells = CELLS ?? new Map([[CELL, '']])
  for (const [name, value] of Object.entries({ CELL, CONTROL_CELL }))
    if (!cells.has(value)) throw new Error(`${name} is ${value}, and CELLS does not name it`)
  return { control: CONTROL_CELL, others: new Map([...cells].filter(([cell]) => cell !== CELL)) }
}

/** The names of the topics. */
export const topicsOf = ({ PUBSUB_PREFIX: prefix }: Pick<Config, 'PUBSUB_PREFIX'>): Record<BusTopic, string> => ({
  events: `${prefix}-events`,
  replication: `${prefix}-replication`,
  'dead-letters': `${prefix}-dead-letters`,
})

/** The settings that a command needs. @throws Error as `parseConfig` */
export const parseCommandConfig = (env: Env): CommandConfig => parse(commandSchema, env)

/**
 * For what is decided in the control cell and told to the others: made anywhere else, the cells would differ for good.
 * @throws Error that names the cell
 */
export const requireControl = ({ CELL, CONTROL_CELL = CELL }: CommandConfig): void => {
  if (CELL !== CONTROL_CELL) throw new Error(`this is decided in ${CONTROL_CELL}, the control cell; CELL is ${CELL}`)
}

const parse = <Shape extends z.ZodRawShape>(schema: z.ZodObject<Shape>, env: Env) => {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const result = schema.safeParse(given)
  if (result.success) return result.data
  const lines = result.error.issues.map((issue) => {
    const name = String(issue.path[0])
    const meaning = schema.shape[name] instanceof z.ZodType ? schema.shape[name].description : ''
    return given[name] === undefined ? `  ${name} is missing: ${meaning}` : `  ${name}: ${issue.message} (${meaning})`
  })
  throw new Error(['The environment is not complete:', ...new Set(lines)].join('\n'))
}
