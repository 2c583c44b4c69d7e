import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from './command.ts'
import { giveTo, homeFolder, type PostgresHome, preparePostgresHome } from './postgres-home.ts'
import { dataOf, postgresEnvironment, startPostgresServer } from './postgres-server.ts'
import type { Child } from './process.ts'

export type PostgresOptions = {
  readonly dataFolder: string
  readonly port: number
  /**
   * False for tests: a crash of the machine (not of Postgres) may then lose or break the data, and commits cost no
   * disk.
   */
  readonly durable: boolean
  readonly logFile: string
  /** Further settings of the server, `name=value`. */
  readonly settings?: readonly string[]
}

export type Postgres = Child & {
  readonly port: number
  /** The cluster was made by this start: it holds nothing of a former one. */
  readonly created: boolean
  /** The connection string of a database, with superuser and password. */
  url(database: string): string
}

const superuser = 'perigee'
/** Made with the cluster, beside the ones that Postgres makes by itself. */
export const firstDatabase = 'perigee'
/** Making a cluster takes 2 s on an idle machine. */
const createMaxMs = 60_000

/**
 * Starts Postgres 18 on 127.0.0.1, on the cluster in `dataFolder`, which is made where there is none. Survives what a
 * killed Postgres leaves behind.
 * @throws Error with the end of the log, when it does not start; and when a Postgres already runs on the same data
 */
export const startPostgres = async (options: PostgresOptions): Promise<Postgres> => {
  const { dataFolder, port, durable, logFile } = options
  const home = preparePostgresHome(dataFolder)
  const data = dataOf(home)
  const password = passwordOf(home)
  const created = !existsSync(data)
  if (created) await createCluster(home, { data, durable })
  const settings = options.settings ?? []
  const child = await startPostgresServer({ name: 'Postgres', home, port, durable, logFile, settings })
  const address = `postgres://${superuser}:${password}@127.0.0.1:${port}`
  return { ...child, port, created, url: (database) => `${address}/${database}` }
}

/** Deletes the cluster of this folder, wherever it really lives. It must not be running. */
export const removePostgresData = (dataFolder: string): void => {
  rmSync(homeFolder(dataFolder), { recursive: true, force: true })
}

/** Generated once and kept beside the data, because the cluster knows only its hash. */
const passwordOf = (home: PostgresHome): string => {
  const file = join(home.folder, 'password')
  if (!existsSync(file)) {
    writeFileSync(file, randomBytes(24).toString('base64url'), { mode: 0o600, flag: 'wx' })
    // initdb reads it.
    giveTo(home.account, file)
  }
  return readFileSync(file, 'utf8')
}

/**
 * Made under another name and renamed when whole, so that an interrupted start leaves no half cluster that looks like
 * one.
 */
const createCluster = async (
  home: PostgresHome,
  { data, durable }: { readonly data: string; readonly durable: boolean },
): Promise<void> => {
  const draft = `${data}.new`
  rmSync(draft, { recursive: true, force: true })
  mkdirSync(draft, { mode: 0o700 })
  giveTo(home.account, draft)
  const run = (program: string, args: readonly string[], input?: string) =>
    runCommand({
      name: program,
      command: join(home.native, 'bin', program),
      args,
      env: postgresEnvironment(home),
      folder: home.folder,
      maxMs: createMaxMs,
      ...(input === undefined ? {} : { input }),
      ...(home.account ? { account: home.account } : {}),
    })
  const encoding = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C']
  const access = [`--username=${superuser}`, '--auth=scram-sha-256', `--pwfile=${join(home.folder, 'password')}`]
  await run('initdb', ['-D', draft, ...access, ...encoding, '--no-instructions', ...(durable ? [] : ['--no-sync'])])
  await run('postgres', ['--single', '-D', draft, 'postgres'], `CREATE DATABASE ${firstDatabase}\n`)
  renameSync(draft, data)
}
