import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cell, type World } from './harness.ts'

const project = fileURLToPath(new URL('..', import.meta.url))
const run = promisify(execFile)

/**
 * Runs a command of the core against a world, as a person would, and answers with the objects that it printed.
 * @throws what execFile throws: `code` is the exit code, `stderr` what the person reads
 */
export const coreCommand = async (
  { databaseUrl, secrets }: World,
  name: 'keys' | 'operators',
  ...args: readonly string[]
): Promise<readonly { readonly [member: string]: unknown }[]> => {
  const env = { ...process.env, CELL: cell, DATABASE_URL: databaseUrl, MASTER_KEYS: secrets.masterKeys }
  const file = `core/commands/${name}.ts`
  const { stdout } = await run(process.execPath, [file, ...args, '--json'], { cwd: project, env })
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}
