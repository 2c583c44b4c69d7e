import { execFile } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const project = fileURLToPath(new URL('../..', import.meta.url))
/** A folder's tests take seconds; the first start of a large provider on a busy machine, a minute. */
const runMaxMs = 600_000
/** The schemas of all providers are part of what a verbose test prints. */
const outputBytesMax = 2_000_000_000

export type Outcome = { readonly ok: boolean; readonly output: string }

/** Terraform over a copy of this checkout's files, in which faults can be made. */
export type Terraform = AsyncDisposable & {
  /** Formats nothing, and tells the files that are not formatted; undefined where all are. */
  checkFormat(): Promise<string | undefined>
  /** What `terraform init` says of providers that it cannot have; undefined where it has all. */
  findMissingProviders(): Promise<string | undefined>
  /** The providers and their versions, in a line. */
  listProviders(): Promise<string>
  /** Inits, validates and tests a folder. What is wrong; undefined where nothing is. */
  check(folder: string): Promise<string | undefined>
  /** Runs a command of Terraform in a folder that is ready for it. */
  run(folder: string, args: readonly string[]): Promise<Outcome>
  /** Puts one text, which stands once, in the place of another. Answers what undoes it. */
  replace(file: string, find: string, replacement: string): Promise<() => Promise<void>>
}

/** Where Terraform is; or, in a line, that it is not there. */
export const findTerraform = async (): Promise<
  { readonly path: string; readonly version: string } | { readonly missing: string }
> => {
  const path = process.env.TERRAFORM ?? 'terraform'
  const { ok, output } = await execute(path, ['version'], project)
  if (!ok) return { missing: 'Terraform is not on PATH: terraform/ is not looked at.' }
  return { path, version: output.split('\n')[0] ?? path }
}

/** The roots and modules, by their paths below terraform/. */
export const listFolders = async (): Promise<string[]> => {
  const modules = await readdir(join(project, 'terraform/modules'))
  return [...modules.toSorted().map((name) => `modules/${name}`), 'bootstrap', 'platform']
}

/** Copies what Terraform reads to a folder of its own, which is removed when the answer is disposed of. */
export const copyTerraform = async (path: string): Promise<Terraform> => {
  const copy = await mkdtemp(join(tmpdir(), 'perigee-terraform-'))
  const isOwn = (file: string) => !/(^|\/)\.terraform|\.tfstate/.test(file.slice(project.length))
  await cp(join(project, 'terraform'), join(copy, 'terraform'), { recursive: true, filter: isOwn })
  await cp(join(project, 'infra/alerts.json'), join(copy, 'infra/alerts.json'))
  // The state of the root lies in a bucket that is not asked here; without a backend that is ready Terraform draws no graph.
  await writeFile(join(copy, 'terraform/platform/backend_override.tf'), 'terraform {\n  backend "local" {}\n}\n')
  const ready = new Set<string>()

  const run: Terraform['run'] = (folder, args) => execute(path, args, join(copy, 'terraform', folder))
  const prepare = async (folder: string): Promise<string | undefined> => {
    if (ready.has(folder)) return undefined
    const { ok, output } = await run(folder, ['init', '-input=false', '-no-color'])
    if (!ok) return output
    ready.add(folder)
    return undefined
  }

  return {
    run: async (folder, args) => {
      const wrong = await prepare(folder)
      return wrong === undefined ? run(folder, args) : { ok: false, output: wrong }
    },
    checkFormat: async () => {
      const { ok, output } = await execute(path, ['fmt', '-check', '-recursive', '-diff'], join(copy, 'terraform'))
      return ok ? undefined : output
    },
    findMissingProviders: async () => {
      const wrong = await prepare('platform')
      if (wrong === undefined) return undefined
      const isProviders = /Failed to query available provider packages|could not connect|provider registry/.test(wrong)
      if (isProviders) return wrong
      throw new Error(wrong)
    },
    listProviders: async () => {
      const lock = await readFile(join(copy, 'terraform/platform/.terraform.lock.hcl'), 'utf8')
      const named = lock.matchAll(/provider "[^"]*\/([^"/]+)" \{\s+version\s+= "([^"]+)"/g)
      return [...named].map(([, name, version]) => `${name} ${version}`).join(', ')
    },
    check: async (folder) => {
      const unprepared = await prepare(folder)
      if (unprepared !== undefined) return unprepared
      for (const command of ['validate', 'test']) {
        const { ok, output } = await run(folder, [command, '-no-color'])
        if (!ok) return output
        if (command === 'test' && !/[1-9]\d* passed, 0 failed/.test(output)) return `no test ran:\n${output}`
      }
      return undefined
    },
    replace: async (file, find, replacement) => {
      const at = join(copy, 'terraform', file)
      const text = await readFile(at, 'utf8')
      const parts = text.split(find)
      if (parts.length !== 2) throw new Error(`in ${file} this stands ${parts.length - 1} times, not once: ${find}`)
      await writeFile(at, parts.join(replacement))
      // A fault may bring in a provider or a module, or take one away.
      ready.delete(dirname(file))
      return () => writeFile(at, text)
    },
    [Symbol.asyncDispose]: () => rm(copy, { recursive: true, force: true }),
  }
}

const execute = (command: string, args: readonly string[], cwd: string): Promise<Outcome> =>
  new Promise((resolve) => {
    const env = { ...process.env, TF_IN_AUTOMATION: '1', CHECKPOINT_DISABLE: '1' }
    const options = { cwd, env, timeout: runMaxMs, maxBuffer: outputBytesMax }
    execFile(command, args, options, (error, stdout, stderr) => {
      resolve({ ok: error === null, output: error === null ? stdout : `${stdout}\n${stderr || error.message}`.trim() })
    })
  })
