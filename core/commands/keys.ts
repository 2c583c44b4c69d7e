import { parseArgs } from 'node:util'
import { type KeyId, keyIdSchema } from '#contract/ids.ts'
import { createApiKey, operatorRoles } from '#core/api-keys.ts'
import { type CommandConfig, parseCommandConfig } from '#core/config.ts'
import { createSecrets } from '#core/secrets.ts'
import { createSigningKey, tokensEndAt } from '#core/signing-keys.ts'
import { type Database, type Db, openDatabase } from '#db/client.ts'
import { type ApiKeyKind, listApiKeys, listSigningKeys, revokeKey } from '#db/keys.ts'

const usage = `Keys of a deployment. Needs CELL, DATABASE_URL and MASTER_KEYS in the environment.

  keys create signing [--if-none]                   signs access tokens
  keys create publishable --name N [--origin O]…    names a client app; O is a web origin, or * for any
  keys create server --name N                       for a backend
  keys create operator --name N --role R            for a person; R is ${operatorRoles.join(', ')}
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

  if (action === 'create' && subject === 'signing') {
    const live = (await listSigningKeys(db)).filter((key) => key.revokedAt === null)
    if (values['if-none'] && live[0]) return print({ keyId: live[0].keyId })
    return print({
      keyId: await createSigningKey(db, { secrets: createSecrets(config.MASTER_KEYS), cell: config.CELL, now }),
    })
  }
  if (action === 'create' && isApiKeyKind(subject)) {
    if (!values.name) throw new UsageError(`--name is missing\n\n${usage}`)
    const { name, role, origin: origins = [] } = values
    return print(await createApiKey(db, { kind: subject, name, origins, role, cell: config.CELL, now }))
  }
  if (action === 'list') {
    for (const { keyId, createdAt, revokedAt } of await listSigningKeys(db)) {
      print({ keyId, kind: 'signing', createdAt: createdAt.toISOString(), revokedAt: revokedAt?.toISOString() ?? null })
    }
    for (const { hash: _, createdAt, revokedAt, ...key } of await listApiKeys(db)) {
      print({ ...key, createdAt: createdAt.toISOString(), revokedAt: revokedAt?.toISOString() ?? null })
    }
    return
  }
  if (action === 'revoke') {
    const keyId = keyIdSchema.safeParse(subject)
    if (keyId.success && !values.now) await requireUnused(db, keyId.data, now)
    if (!keyId.success || !(await revokeKey(db, keyId.data, now)))
      throw new UsageError(`no live key has the id ${subject}`)
    return print({ keyId: keyId.data, revoked: true })
  }
  throw new UsageError(usage)
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
