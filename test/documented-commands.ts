import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'
import { declaredIn } from '#infra/terraform-reference.ts'
import type { ShellCommand } from './shell-commands.ts'

const project = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string): string => readFileSync(join(project, path), 'utf8')

/** Programs that documents call beside those that are looked into. */
const plainPrograms = [
  'cat',
  'curl',
  'date',
  'docker',
  'export',
  'git',
  'jq',
  'openssl',
  'printf',
  'rm',
  'sed',
  'tr',
  'npx',
  'node',
]

const subcommands = ['apply', 'destroy', 'import', 'init', 'output', 'plan', 'state', 'untaint']

const scripts = z.object({ scripts: z.record(z.string(), z.string()) }).parse(JSON.parse(read('package.json'))).scripts

/** What is wrong with a command as documents have it; empty where nothing is. */
export const faultsOf = (command: ShellCommand): string[] => {
  const [program = '', ...args] = command
  if (program === 'npm') return npmFaults(args)
  if (program === 'terraform') return terraformFaults(args)
  if (program === 'gcloud') return gcloudFaults(args)
  return plainPrograms.includes(program) ? [] : [`nobody said what ${program} is`]
}

/** A script of package.json, whose options and first word its own usage has to name; and the command that it runs, where it runs one. */
const npmFaults = (args: readonly string[]): string[] => {
  const [run, ...rest] = args.filter((arg) => arg !== '--silent')
  const [name = '', separator, ...own] = rest
  if (run !== 'run') return run === 'ci' || run === 'test' ? [] : [`npm ${run} is not a command of a document`]
  const script = scripts[name]
  if (script === undefined) return [`package.json has no script ${name}`]
  if (separator === undefined) return []
  if (separator !== '--') return [`npm run ${name}: options stand after --`]
  const inner = own.indexOf('--')
  const [given, ran] = name === 'with-cell' && inner >= 0 ? [own.slice(0, inner), own.slice(inner + 1)] : [own, []]
  const usage = usageOf(script.split(' ')[1] ?? '')
  const optionsUnknown = given.filter((arg) => /^--\w/.test(arg) && !usage.includes(arg.split('=')[0] ?? ''))
  const [action = ''] = given
  const actionUnknown =
    name !== 'with-cell' && /^[a-z][a-z-]*$/.test(action) && !new RegExp(` ${action}\\b`).test(usage)
  return [
    ...optionsUnknown.map((option) => `npm run ${name} has no option ${option}`),
    ...(actionUnknown ? [`npm run ${name} does not ${action}`] : []),
    ...(name === 'with-cell' && ran.length === 0 ? ['npm run with-cell: no command'] : []),
    ...(ran.length > 0 ? faultsOf(ran) : []),
  ]
}

/** Where a script's options are told of: in its file, or in one beside it that is for them. */
const usageOf = (file: string): string => {
  const text = read(file)
  return text.includes("'./options.ts'") ? read(join(dirname(file), 'options.ts')) : text
}

const terraformFaults = (args: readonly string[]): string[] => {
  const [chdir = '', subcommand = '', ...rest] = args
  const folder = /^-chdir=(.+)$/.exec(chdir)?.[1]
  if (folder === undefined) return subcommands.includes(chdir) ? [] : [`terraform has no ${chdir} that is known here`]
  if (!existsSync(join(project, folder, 'variables.tf'))) return [`${folder} is no folder of Terraform`]
  if (!subcommands.includes(subcommand)) return [`terraform has no ${subcommand} that is known here`]
  const names = (file: string) => declaredIn(read(`${folder}/${file}`)).map(({ name }) => name)
  const variables = rest.flatMap((arg) => /^-var=(\w+)=/.exec(arg)?.[1] ?? [])
  const asked = subcommand === 'output' ? rest.filter((arg) => !arg.startsWith('-')) : []
  const addresses = [
    ...rest.flatMap((arg) => /^-target=(.+)$/.exec(arg)?.[1] ?? []),
    ...(subcommand === 'state' || subcommand === 'import' ? rest.filter((arg) => arg.startsWith('module.')) : []),
  ]
  return [
    ...variables
      .filter((name) => !names('variables.tf').includes(name))
      .map((name) => `${folder} has no variable ${name}`),
    ...asked.filter((name) => !names('outputs.tf').includes(name)).map((name) => `${folder} has no output ${name}`),
    ...addresses.flatMap((address) => (isThere(folder, address) ? [] : [`${folder} has nothing at ${address}`])),
  ]
}

/** Whether a module is called in the folder, and a resource is in that module. */
const isThere = (folder: string, address: string): boolean => {
  const [, module = '', resource] = /^module\.(\w+)(?:\[[^\]]+\])?(?:\.(.+))?$/.exec(address) ?? []
  const call = new RegExp(`^module "${module}" \\{\\n[\\s\\S]*?source\\s+= "([^"]+)"`, 'm').exec(textOf(folder))
  if (!call) return false
  if (resource === undefined) return true
  const [type, name = ''] = resource.split('.')
  return textOf(join(folder, call[1] ?? '')).includes(`resource "${type}" "${name.replace(/\[.*/, '')}"`)
}

const textOf = (folder: string): string =>
  readdirSync(join(project, folder))
    .filter((file) => file.endsWith('.tf'))
    .map((file) => read(join(folder, file)))
    .join('\n')

/** Names of secrets and who has them, as Terraform makes them. */
const secretKeys = [...read('terraform/platform/secrets.tf').matchAll(/^ {4,6}([a-z-]+) += \{ readers/gm)].map(
  ([, key]) => key,
)

const gcloudFaults = (args: readonly string[]): string[] => {
  const faults: string[] = []
  const named = [
    ...args.flatMap((arg) => /^--secret=(.+)$/.exec(arg)?.[1] ?? []),
    ...(args[0] === 'secrets' && (args[2] === 'add' || args[2] === 'list') ? args.slice(3, 4) : []),
  ]
  for (const name of named)
    if (!secretKeys.includes(name.replace(/^perigee-(?:[a-z]+\d-)?/, '')))
      faults.push(`Terraform makes no secret ${name}`)
  const tree = gcloudTree()
  if (!tree) return faults
  let node = tree
  const path: string[] = []
  for (const arg of args) {
    const next = node.commands[arg]
    if (arg.startsWith('-') || !next) break
    path.push(arg)
    node = next
  }
  if (path.length === 0 || Object.keys(node.commands).length > 0)
    return [...faults, `gcloud has no command ${args.filter((arg) => !arg.startsWith('-')).join(' ')}`]
  const known = { ...tree.flags, ...node.flags }
  for (const arg of args.filter((text) => /^--\w/.test(text))) {
    const flag = arg.split('=')[0] ?? ''
    if (!(flag in known) && !(flag.replace('--no-', '--') in known))
      faults.push(`gcloud ${path.join(' ')} has no ${flag}`)
  }
  return faults
}

type Node = { readonly commands: Readonly<Record<string, Node>>; readonly flags: Readonly<Record<string, unknown>> }

let known: Node | null | undefined

/** Every command and flag of the gcloud of this machine, as it ships them for the completion of shells; null where there is no gcloud. */
export const gcloudTree = (): Node | null => {
  if (known !== undefined) return known
  try {
    const found = execFileSync('sh', ['-c', 'command -v gcloud'], { encoding: 'utf8' }).trim()
    const file = join(dirname(realpathSync(found)), '../data/cli/gcloud_completions.py')
    const text = readFileSync(file, 'utf8')
    // A literal of Python, of dictionaries, lists and strings alone, which is JSON too.
    known = JSON.parse(text.slice(text.indexOf('TREE = ') + 'TREE = '.length)) as Node
  } catch {
    known = null
  }
  return known
}
