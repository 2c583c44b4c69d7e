import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { removePostgresData } from './postgres.ts'
import { isAlive } from './process.ts'

/** The root of this checkout. */
export const checkout = fileURLToPath(new URL('../..', import.meta.url))

/** All that `npm run dev` keeps; git ignores it. Holds secrets, so only its owner may look in. */
export const localFolder = join(checkout, '.perigee')

export const inLocalFolder = (...parts: readonly string[]): string => join(localFolder, ...parts)
export const logFileOf = (service: string): string => inLocalFolder('logs', `${service}.log`)
export const postgresFolderOf = (cell: string): string => inLocalFolder('postgres', cell)

const lockFile = inLocalFolder('dev.lock')
const stateFile = inLocalFolder('dev.json')

/**
 * Makes this process the one that runs the stack of this checkout.
 * @throws Error that says who does already
 */
export const lockLocalFolder = (): void => {
  mkdirSync(localFolder, { recursive: true, mode: 0o700 })
  try {
    writeFileSync(lockFile, String(process.pid), { flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    const holder = Number(readFileSync(lockFile, 'utf8'))
    if (holder > 0 && holder !== process.pid && isAlive(holder))
      throw new Error(
        `npm run dev already runs in this checkout, as process ${holder}. Stop it first, or delete ${lockFile} if that process is another program.`,
      )
    writeFileSync(lockFile, String(process.pid))
  }
  // What a killed run left behind describes nothing that is still there.
  rmSync(stateFile, { force: true })
}

export const unlockLocalFolder = (): void => {
  rmSync(stateFile, { force: true })
  rmSync(lockFile, { force: true })
}

/**
 * Makes the folder by which `emptyLocalFolder` knows that a cell ran here, also where its data has to live elsewhere, as
 * it does for root. What lies there without this folder is of a former checkout in the same place, whose secrets are gone with it.
 */
export const markCell = (cell: string): void => {
  if (!existsSync(postgresFolderOf(cell))) removePostgresData(postgresFolderOf(cell))
  mkdirSync(postgresFolderOf(cell), { recursive: true, mode: 0o700 })
}

/** `--fresh`: deletes data, secrets and keys of former runs, of `cells` and of every cell that ran. Needs the lock. */
export const emptyLocalFolder = (cells: readonly string[]): void => {
  const postgresFolder = inLocalFolder('postgres')
  mkdirSync(postgresFolder, { recursive: true, mode: 0o700 })
  for (const cell of new Set([...cells, ...readdirSync(postgresFolder)])) removePostgresData(postgresFolderOf(cell))
  for (const name of ['postgres', 'redis', 'logs', 'edge', 'secrets.json', 'keys'])
    rmSync(inLocalFolder(name), { recursive: true, force: true })
}

export type DevCell = {
  readonly coreUrl: string
  readonly databaseUrl: string
  /** The continents, as Cloudflare names them, that are nearest to it. */
  readonly near: readonly string[]
}

/** What other programs on this machine need in order to use a running stack. */
export type DevState = {
  readonly edgeUrl: string
  /** Keys and currencies are made there. */
  readonly controlCell: string
  readonly cells: Readonly<Record<string, DevCell>>
  /** Where events can be had; absent on a machine without Pub/Sub. */
  readonly pubSub?: { readonly host: string; readonly project: string; readonly topic: string }
  readonly publishableKey: string
  readonly serverKey: string
  readonly operatorKey: string
  /** By the names of the log files, and `dev` for this process itself. */
  readonly pids: Readonly<Record<string, number>>
}

/** Writes `.perigee/dev.json`, whole or not at all: its presence says that the stack is ready. */
export const writeDevState = (state: DevState): void => writeJson(stateFile, state)

/** Undefined where there is no such file. */
export const readJson = (file: string): unknown => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Error(`${file} cannot be read; npm run dev -- --fresh starts anew`, { cause: error })
  }
}

/** For our eyes only, and never half written. */
export const writeJson = (file: string, value: unknown): void => {
  writeFileSync(`${file}.new`, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}
