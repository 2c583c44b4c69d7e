import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cell, type World } from './harness.ts'

const project = fileURLToPath(new URL('..', import.meta.url))
const run = promisify(execFile)

/** A command of the core as a person runs it against a world. */
type CoreCommand = { readonly name: 'keys' | 'operators' | 'content'; readonly args: readonly string[] }

/**
 * Runs a command against a world and answers with what it printed.
 * @param env over what the world has: `CONTROL_CELL` for a cell that follows
 * @throws what execFile throws: `code` is the exit code, `stderr` what the person reads
 */
export const commandOutput = async (
  { databaseUrl, secrets }: Pick<World, 'databaseUrl' | 'secrets'>,
  { name, args }: CoreCommand,
  env: Readonly<Record<string, string>> = {},
): Promise<string> => {
  const all = { ...process.env, CELL: cell, DATABASE_URL: databaseUrl, MASTER_KEYS: secrets.masterKeys, ...env }
  const options = { cwd: project, env: all, maxBuffer: 64 * 1_024 * 1_024 }
  return (await run(process.execPath, [`core/commands/${name}.ts`, ...args], options)).stdout
}

/** The same of a command that prints objects: answers with them. @throws as `commandOutput` */
export const coreCommand = async (
  world: World,
  name: 'keys' | 'operators',
  ...args: readonly string[]
): Promise<readonly { readonly [member: string]: unknown }[]> => {
  const stdout = await commandOutput(world, { name, args: [...args, '--json'] })
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}
