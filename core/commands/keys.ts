import { parseArgs } from 'node:util'
import { type Cell, cellSchema, type KeyId, keyIdSchema } from '#contract/ids.ts'
import { roles, scopes } from '#contract/rights.ts'
import { createApiKey, type MadeApiKey } from '#core/api-keys.ts'
import { type Audited, actByCommand } from '#core/audit.ts'
import { type CommandConfig, parseCommandConfig, requireControl } from '#core/config.ts'
import { createSecrets } from '#core/secrets.ts'
import { createSigningKey, tokensEndAt } from '#core/signing-keys.ts'
import { type Database, type Db, openDatabase, type Tx } from '#db/client.ts'
import { type ApiKeyKind, listApiKeys, listSigningKeys, revokeApiKey, revokeSigningKey } from '#db/keys.ts'

const usage = `Keys of a deployment. Needs CELL, DATABASE_URL and MASTER_KEYS in the environment, and CONTROL_CELL
where there are several cells.

  keys create signing [--if-none]                   signs access tokens
  keys create publishable --name N [--origin O]…    names a client app; O is a web origin, or * for any
                          [--home CELL]             whoever signs up with it is at home in that cell, wherever they are
  keys create server --name N --scope S…            for a backend; S is ${Object.keys(scopes).join(', ')}, or * for all
  keys create operator --name N --role R            for a machine such as CI (people: npm run operators); R is ${roles.join(', ')}
  keys list
  keys revoke KEY_ID [--now]                        a signing key only when no token of it lives, but for --now

A key is shown once, when it is made. --json prints one JSON object a line.`

/** Ends the command with a message for whoever typed it. */
class UsageError extends Error {}

const parse = () => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        name: { type: 'string' },
        origin: { type: 'string', multiple: true },
        home: { type: 'string' },
        scope: { type: 'string', multiple: true },
        role: { type: 'string' },
        json: { type: 'boolean', default: false },
        'if-none': { type: 'boolean', default: false },
        now: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : error}\n\n${usage}`)
  }
}

type Arguments = ReturnType<typeof parse>

const run = async (
  { positionals: [action, subject], values }: Arguments,
  database: Database,
  config: CommandConfig,
) => {
  const print = (row: Readonly<Record<string, unknown>>) =>
    console.log(
      values.json
        ? JSON.stringify(row)
        : Object.entries(row)
            .map(([name, value]) => `${name}: ${value}`)
            .join('  '),
    )
  const { db } = database
  const now = new Date()
  const at = { cell: config.CELL, now }

  if (action === 'create' && subject === 'signing') {
    const live = (await listSigningKeys(db)).filter((key) => key.revokedAt === null)
    if (values['if-none'] && live[0]) return print({ keyId: live[0].keyId })
    return print(await actByCommand(db, at, (tx) => makeSigningKey(tx, config, now)))
  }
  if (action === 'create' && isApiKeyKind(subject)) {
    if (!values.name) throw new UsageError(`--name is missing\n\n${usage}`)
    const { name, role, origin: origins = [], scope: scopes = [] } = values
    const given = { kind: subject, name, origins, homeCell: homeOf(values.home), scopes, role }
    requireControl(config)
    return print(await actByCommand(db, at, (tx) => makeApiKey(tx, { ...given, ...at })))
  }
  if (action === 'list') {
    for (const { keyId, createdAt, revokedAt } of await listSigningKeys(db)) {
      print({ keyId, kind: 'signing', createdAt: createdAt.toISOString(), revokedAt: revokedAt?.toISOString() ?? null })
    }
    for (const { hash: _, version: __, createdAt, expiresAt, revokedAt, ...key } of await listApiKeys(db)) {
      const [expires, revoked] = [expiresAt?.toISOString() ?? null, revokedAt?.toISOString() ?? null]
      print({ ...key, createdAt: createdAt.toISOString(), expiresAt: expires, revokedAt: revoked })
    }
    return
  }
  if (action === 'revoke') {
    return print(await actByCommand(db, at, (tx) => revoke(tx, subject, { now, force: values.now, config })))
  }
  throw new UsageError(usage)
}

const makeSigningKey = async (tx: Tx, config: CommandConfig, now: Date): Promise<Audited<{ keyId: KeyId }>> => {
  const secrets = createSecrets(config.MASTER_KEYS)
  const keyId = await createSigningKey(tx, { secrets, cell: config.CELL, now })
  return { answer: { keyId }, audit: { action: 'key.create', subject: `key:${keyId}`, detail: { kind: 'signing' } } }
}

const makeApiKey = async (tx: Tx, given: Parameters<typeof createApiKey>[1]): Promise<Audited<MadeApiKey>> => {
  const answer = await createApiKey(tx, given)
  const { kind, origins, homeCell, scopes, role = null } = given
  const detail = { kind, origins, scopes, role, ...(homeCell ? { homeCell } : {}) }
  return { answer, audit: { action: 'key.create', subject: `key:${answer.keyId}`, detail } }
}

/** No list of cells is at hand here: an edge refuses a key whose home is none of its cells. */
const homeOf = (text: string | undefined): Cell | undefined => {
  const home = cellSchema.optional().safeParse(text)
  if (!home.success) throw new UsageError(`--home must be a cell such as eu1: ${text}`)
  return home.data
}

const revoke = async (
  tx: Tx,
  subject: string | undefined,
  { now, force, config }: { readonly now: Date; readonly force: boolean; readonly config: CommandConfig },
): Promise<Audited<{ keyId: KeyId; revoked: true }>> => {
  const keyId = keyIdSchema.safeParse(subject)
  const none = new UsageError(`no live key has the id ${subject}`)
  if (!keyId.success) throw none
  if (!force) await requireUnused(tx, keyId.data, now)
  const apiKey = await revokeApiKey(tx, keyId.data, now)
  // A signing key is its own cell's; what was done here is undone with the transaction.
  if (apiKey) requireControl(config)
  const kind = apiKey?.kind ?? ((await revokeSigningKey(tx, keyId.data, now)) ? 'signing' : undefined)
  if (!kind) throw none
  const audit = { action: 'key.revoke', subject: `key:${keyId.data}`, detail: { kind } } as const
  return { answer: { keyId: keyId.data, revoked: true }, audit }
}

/** Without its key a token is refused, and its player signed out, however long it had to live. */
const requireUnused = async (db: Db, keyId: KeyId, now: Date) => {
  const rows = await listSigningKeys(db)
  if (!rows.some((row) => row.keyId === keyId && row.revokedAt === null)) return
  const endAt = tokensEndAt(rows, keyId)
  if (endAt <= now.getTime()) return
  const until = Number.isFinite(endAt)
    ? `tokens of it live until ${new Date(endAt).toISOString()}`
    : 'no later key signs'
  throw new UsageError(
    `${keyId} is in use: ${until}. --now revokes it all the same: edges refuse its tokens within 80 s`,
  )
}

const isApiKeyKind = (text: string | undefined): text is ApiKeyKind =>
  ['publishable', 'server', 'operator'].includes(text ?? '')

let database: Database | undefined
try {
  const given = parse()
  const config = parseCommandConfig(process.env)
  database = openDatabase({
    url: config.DATABASE_URL,
    poolMax: 2,
    statementTimeoutMs: 5_000,
    applicationName: 'perigee-keys',
  })
  await run(given, database, config)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  await database?.close(1_000)
}
