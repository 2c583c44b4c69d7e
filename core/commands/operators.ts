import { parseArgs } from 'node:util'
import { isRole, type Role, roles } from '#contract/rights.ts'
import { actByCommand } from '#core/audit.ts'
import { type CommandConfig, parseCommandConfig, requireControl } from '#core/config.ts'
import {
  createOperator,
  disableOperator,
  resetOperatorSecret,
  resetOperatorTotp,
  setOperatorRole,
} from '#core/operator-accounts.ts'
import { createSecrets } from '#core/secrets.ts'
import { type Database, openDatabase } from '#db/client.ts'
import { listOperators } from '#db/operators.ts'

const usage = `People who run the game. Needs CELL (the control cell), DATABASE_URL and MASTER_KEYS in the environment, and
CONTROL_CELL where there are several cells.

  operators create --name N --role R      R is ${roles.join(', ')}
  operators list
  operators set-role --name N --role R    ends the sessions that have the former role
  operators reset-totp --name N           for a lost authenticator; ends the sessions
  operators reset-secret --name N         for a lost secret, or one that was told; ends the sessions
  operators disable --name N              for good; ends the sessions

Secret and enrolment are shown once, when they are made. --json prints one JSON object a line.`

/** Ends the command with a message for whoever typed it. */
class UsageError extends Error {}

const parse = () => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { name: { type: 'string' }, role: { type: 'string' }, json: { type: 'boolean', default: false } },
    })
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : error}\n\n${usage}`)
  }
}

type Arguments = ReturnType<typeof parse>

const run = async ({ positionals, values }: Arguments, { db }: Database, config: CommandConfig): Promise<void> => {
  const print = (row: Readonly<Record<string, unknown>>) =>
    console.log(
      values.json
        ? JSON.stringify(row)
        : Object.entries(row)
            .map(([name, value]) => `${name}: ${value}`)
            .join('  '),
    )
  const [action, ...more] = positionals
  if (more.length > 0) throw new UsageError(usage)
  const at = { cell: config.CELL, now: new Date() }
  if (action === 'list') {
    for (const { operatorId, name, role, createdAt, disabledAt } of await listOperators(db)) {
      const [created, disabled] = [createdAt.toISOString(), disabledAt?.toISOString() ?? null]
      print({ operatorId, name, role, createdAt: created, disabledAt: disabled })
    }
    return
  }
  const secrets = createSecrets(config.MASTER_KEYS)
  const on = () => ({ ...at, name: nameIn(values) })
  switch (action) {
    case 'create':
      return print(await actByCommand(db, at, (tx) => createOperator(tx, { ...on(), secrets, role: roleIn(values) })))
    case 'set-role':
      return print(await actByCommand(db, at, (tx) => setOperatorRole(tx, { ...on(), role: roleIn(values) })))
    case 'reset-totp':
      return print(await actByCommand(db, at, (tx) => resetOperatorTotp(tx, { ...on(), secrets })))
    case 'reset-secret':
      return print(await actByCommand(db, at, (tx) => resetOperatorSecret(tx, on())))
    case 'disable':
      return print(await actByCommand(db, at, (tx) => disableOperator(tx, on())))
    default:
      throw new UsageError(usage)
  }
}

const nameIn = ({ name }: Arguments['values']): string => {
  if (!name) throw new UsageError(`--name is missing\n\n${usage}`)
  return name
}

const roleIn = ({ role }: Arguments['values']): Role => {
  if (!isRole(role)) throw new UsageError(`--role is one of ${roles.join(', ')}`)
  return role
}

let database: Database | undefined
try {
  const given = parse()
  const config = parseCommandConfig(process.env)
  requireControl(config)
  const { DATABASE_URL: url } = config
  database = openDatabase({ url, poolMax: 2, statementTimeoutMs: 5_000, applicationName: 'perigee-operators' })
  await run(given, database, config)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  await database?.close(1_000)
}
