import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { World } from './harness.ts'

const command = fileURLToPath(new URL('../core/commands/keys.ts', import.meta.url))
const run = promisify(execFile)

/**
 * `npm run keys` on a world's database, and what it prints, an object a line.
 * @throws Error with what it says, when it ends with another code than 0
 */
export const runKeys = async ({ databaseUrl, secrets }: World, ...args: string[]) => {
  const env = { ...process.env, CELL: 'eu1', DATABASE_URL: databaseUrl, MASTER_KEYS: secrets.masterKeys }
  const { stdout } = await run(process.execPath, [command, ...args, '--json'], { env })
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}
