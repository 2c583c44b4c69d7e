import { mkdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { inLocalFolder, readJson, writeJson } from './local-folder.ts'

/** The keys that people and programs on this machine use. */
export type LocalKeys = { readonly publishable: string; readonly server: string; readonly operator: string }

/** Runs one of the core's commands and answers with what it printed. */
export type RunCoreCommand = (file: string, ...args: readonly string[]) => Promise<string>

/** By the cell that they were made in: run alone, another cell knows none of them. */
const keysFileOf = (cell: string): string => inLocalFolder('keys', `${cell}.json`)

const creation: Readonly<Record<keyof LocalKeys, readonly string[]>> = {
  publishable: ['publishable', '--name', 'local', '--origin', '*'],
  server: ['server', '--name', 'local', '--scope', '*'],
  operator: ['operator', '--name', 'local', '--role', 'admin'],
}

/** To be called when a cell's database is a new one, which knows none of the keys of the former. */
export const forgetLocalKeys = (cell: string): void => rmSync(keysFileOf(cell), { force: true })

/**
 * The keys of this checkout that were made in `cell`. A key is shown only when it is made, so each is kept in
 * `.perigee/keys` as soon as it is there, and only what is missing is made.
 * @param run reaches that cell
 */
export const localKeys = async (cell: string, run: RunCoreCommand): Promise<LocalKeys> => {
  const keysFile = keysFileOf(cell)
  mkdirSync(dirname(keysFile), { recursive: true, mode: 0o700 })
  const kept = { ...(readJson(keysFile) as Partial<LocalKeys> | undefined) }
  const keep = async (kind: keyof LocalKeys): Promise<string> => {
    const known = kept[kind]
    if (known !== undefined) return known
    const made = keyIn(await run('core/commands/keys.ts', 'create', ...creation[kind], '--json'))
    Object.assign(kept, { [kind]: made })
    writeJson(keysFile, kept)
    return made
  }
  // One after the other: each is written to the same file.
  return { publishable: await keep('publishable'), server: await keep('server'), operator: await keep('operator') }
}

const keyIn = (printed: string): string => {
  const { key } = JSON.parse(printed) as { key?: unknown }
  if (typeof key !== 'string') throw new Error('core/commands/keys.ts printed no key')
  return key
}
