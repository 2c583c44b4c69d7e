import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const project = fileURLToPath(new URL('..', import.meta.url))
const run = promisify(execFile)

/** A copy of the work tree, to be changed and tried. */
export type Worktree = {
  readonly folder: string
  /** Replaces a text that must stand in the file exactly once. */
  replace(file: string, find: string, replacement: string): Promise<void>
  /** Makes a file again what it is in the work tree. */
  restore(file: string): Promise<void>
  /** Runs a program of `node_modules/.bin`; resolves with code and output, whatever the code. */
  run(program: string, args: readonly string[], limits: RunLimits | number): Promise<{ code: number; output: string }>
  remove(): Promise<void>
}

/** How long a program may run, alone or with variables over this process's own. */
type RunLimits = { readonly maxMs: number; readonly env: Readonly<Record<string, string>> }

/** Copies what git tracks or would track; `node_modules` is shared. */
export const copyWorktree = async (): Promise<Worktree> => {
  const folder = await mkdtemp(join(tmpdir(), 'perigee-copy-'))
  const { stdout } = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: project })
  const files = stdout.split('\n').filter(Boolean)
  // Folders first and then all at once: one after the other takes longer than many a test.
  for (const inside of new Set(files.map(dirname))) await mkdir(join(folder, inside), { recursive: true })
  await Promise.all(files.map((file) => copyFile(join(project, file), join(folder, file)).catch(ignoreDeleted)))
  await symlink(join(project, 'node_modules'), join(folder, 'node_modules'))
  const bin = join(project, 'node_modules/.bin')

  return {
    folder,
    replace: async (file, find, replacement) => {
      const path = join(folder, file)
      const parts = (await readFile(path, 'utf8')).split(find)
      if (parts.length !== 2) throw new Error(`${file} holds ${parts.length - 1} times, not once: ${find}`)
      await writeFile(path, parts.join(replacement))
    },
    restore: (file) => copyFile(join(project, file), join(folder, file)),
    run: async (program, args, given) => {
      const { maxMs, env: variables } = typeof given === 'number' ? { maxMs: given, env: {} } : given
      const env = {
        ...process.env,
        ...variables,
        PATH: `${bin}:${dirname(process.execPath)}:${process.env.PATH}`,
        NO_COLOR: '1',
      }
      const limits = { cwd: folder, env, timeout: maxMs, maxBuffer: 16 * 1024 * 1024 }
      return run(join(bin, program), [...args], limits).then(
        ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
        (error: { code?: number; stdout?: string; stderr?: string }) => ({
          code: typeof error.code === 'number' ? error.code : 1,
          output: `${error.stdout ?? ''}${error.stderr ?? ''}`,
        }),
      )
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

/** A file that is deleted and not yet committed is still listed. */
const ignoreDeleted = (error: NodeJS.ErrnoException) => {
  if (error.code !== 'ENOENT') throw error
}
