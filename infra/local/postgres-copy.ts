import { constants, copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { giveTo } from './postgres-home.ts'
import type { Account } from './process.ts'

/** One connection to a server, as superuser. The caller brings it: what is under `infra` has no client of Postgres. */
export type PostgresSession = {
  /** The rows of one statement. */
  query(text: string): Promise<readonly Readonly<Record<string, unknown>>[]>
  end(): Promise<void>
}

/** Whose content belongs to the running server and not to the cluster: a copy has the folders, empty. */
const emptyFolders = new Set([
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_stat_tmp',
  'pg_subtrans',
])
/** They name the running server, or the settings of another standby. */
const leftOut = new Set(['postmaster.pid', 'postmaster.opts', 'standby.signal', 'backup_label'])

/**
 * Copies the files of a running cluster to `target`, which it replaces. What is being written meanwhile may be torn in the copy:
 * the label says from where the log must be replayed to mend it. That log is not in the copy, and `session` must see to it that
 * the server keeps it.
 *
 * @param session stays the same connection throughout
 * @throws Error of the server or of the file system
 */
export const copyCluster = async (
  session: PostgresSession,
  { target, account }: { readonly target: string; readonly account: Account | undefined },
): Promise<void> => {
  await session.query(`select pg_backup_start('perigee', fast => true)`)
  const [place] = await session.query(`select current_setting('data_directory') as data`)
  rmSync(target, { recursive: true, force: true })
  copyFolder({ source: String(place?.data), target, account, isRoot: true })
  const [stop] = await session.query('select labelfile from pg_backup_stop(wait_for_archive => false)')
  writeClusterFile({ file: join(target, 'backup_label'), text: String(stop?.labelfile), account })
}

/** Writes a file that only the server reads. */
export const writeClusterFile = ({
  file,
  text,
  account,
}: {
  readonly file: string
  readonly text: string
  readonly account: Account | undefined
}): void => {
  writeFileSync(file, text, { mode: 0o600 })
  giveTo(account, file)
}

type FolderCopy = {
  readonly source: string
  readonly target: string
  readonly account: Account | undefined
  readonly isRoot: boolean
}

const copyFolder = ({ source, target, account, isRoot }: FolderCopy): void => {
  mkdirSync(target, { mode: 0o700 })
  giveTo(account, target)
  for (const entry of readdirSync(source, { withFileTypes: true })) {
    const [from, to] = [join(source, entry.name), join(target, entry.name)]
    if (isRoot && leftOut.has(entry.name)) continue
    if (entry.isFile()) copyUnlessGone(from, to, account)
    if (!entry.isDirectory()) continue
    if (isRoot && emptyFolders.has(entry.name)) {
      mkdirSync(to, { mode: 0o700 })
      giveTo(account, to)
    } else {
      copyFolder({ source: from, target: to, account, isRoot: false })
    }
  }
}

/** A table that is dropped meanwhile takes its files along, and the log tells the copy so. */
const copyUnlessGone = (from: string, to: string, account: Account | undefined): void => {
  try {
    copyFileSync(from, to, constants.COPYFILE_FICLONE)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  giveTo(account, to)
}
