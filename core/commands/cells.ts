import { parseCommandConfig, requireControl } from '#core/config.ts'
import { tellEverything } from '#core/tell-everything.ts'
import { openDatabase } from '#db/client.ts'

const usage = `Cells of a deployment. Needs CELL, DATABASE_URL and MASTER_KEYS of the control cell in the environment.

  cells replicate     tells the other cells every key, currency, document and credential, for one that was added later`

const [action] = process.argv.slice(2)

try {
  if (action !== 'replicate') throw new Error(usage)
  const config = parseCommandConfig(process.env)
  requireControl(config)
  const { CELL: cell, DATABASE_URL: url } = config
  const database = openDatabase({ url, poolMax: 2, statementTimeoutMs: 5_000, applicationName: 'perigee-cells' })
  try {
    const told = await tellEverything(database.db, { cell, now: new Date() })
    console.log(`${told} things are on their way to the other cells`)
  } finally {
    await database.close(1_000)
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
