import { parseArgs } from 'node:util'
import { currencyCodeSchema } from '#contract/scalars.ts'
import { parseCommandConfig, requireControl } from '#core/config.ts'
import { openDatabase } from '#db/client.ts'
import { listCurrencies, tellCurrencies, upsertCurrency } from '#db/wallet.ts'

const usage = `Currencies of a deployment. Needs CELL, DATABASE_URL and MASTER_KEYS in the environment, and CONTROL_CELL where
there are several cells.

  currencies declare CODE --cap N     makes a currency, or changes the most that a player can have of it
  currencies list`

const { positionals, values } = parseArgs({ allowPositionals: true, options: { cap: { type: 'string' } } })
const [action, subject] = positionals

const fail = (message: string): never => {
  console.error(message)
  process.exit(1)
}

/** The currency, and the event that tells the other cells of it, together. */
const declare = (currency: { readonly code: string; readonly cap: number }): Promise<void> =>
  database.db.transaction(async (tx) => {
    const now = new Date()
    await tellCurrencies(tx, [await upsertCurrency(tx, { ...currency, now })], { cell, now })
  })

const configOrFail = () => {
  try {
    const config = parseCommandConfig(process.env)
    if (action === 'declare') requireControl(config)
    return config
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error))
  }
}

const { CELL: cell, DATABASE_URL: url } = configOrFail()
const database = openDatabase({ url, poolMax: 2, statementTimeoutMs: 5_000, applicationName: 'perigee-currencies' })
if (action === 'declare') {
  const code = currencyCodeSchema.safeParse(subject)
  const cap = Number(values.cap)
  if (!code.success) fail(`not a currency code such as coins: ${subject}\n\n${usage}`)
  else if (!Number.isSafeInteger(cap) || cap < 1)
    fail(`--cap must be a whole number from 1 to ${Number.MAX_SAFE_INTEGER}\n\n${usage}`)
  else await declare({ code: code.data, cap })
} else if (action !== 'list') {
  fail(usage)
}
for (const { code, cap } of await listCurrencies(database.db)) console.log(`${code}  cap: ${cap}`)
await database.close(1_000)
