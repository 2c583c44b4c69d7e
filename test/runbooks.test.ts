import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { declaredIn, referenceText } from '#infra/terraform-reference.ts'
import { faultsOf, gcloudTree } from './documented-commands.ts'
import { shellCommands } from './shell-commands.ts'

const project = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string): string => readFileSync(join(project, path), 'utf8')

const pages = [
  ...readdirSync(join(project, 'docs/runbooks')).map((name) => `docs/runbooks/${name}`),
  'terraform/README.md',
].filter((path) => path.endsWith('.md'))

/** Blocks of shell, and what stands in backticks within a line and begins as a command does. */
const commandsOf = (page: string) => {
  const text = read(page)
  const blocks = [...text.matchAll(/^ *```sh\n([\s\S]*?)^ *```/gm)].map(([, block = '']) => block)
  const prose = text.replace(/^ *```[\s\S]*?^ *```/gm, '')
  const inline = [...prose.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code.replace(/\s+/g, ' '))
  const withArguments = inline.filter(
    (code) => /^(npm run|terraform|gcloud) .*[^…]$/.test(code) && !/ --$|\.\.\.|…/.test(code),
  )
  return [...blocks, ...withArguments].flatMap((block) => shellCommands(block))
}

test('every command of a runbook and of the way to a deployment exists, with its options', () => {
  const faults = pages.flatMap((page) =>
    commandsOf(page).flatMap((command) => faultsOf(command).map((fault) => `${page}: ${fault} (${command.join(' ')})`)),
  )
  const count = pages.reduce((sum, page) => sum + commandsOf(page).length, 0)
  console.log(
    `${count} commands in ${pages.length} pages; ${gcloudTree() ? 'gcloud is here and knows its own' : 'there is no gcloud here: its commands were not looked at'}`,
  )
  expect(faults).toEqual([])
  expect(count).toBeGreaterThan(80)
})

test.for([
  ['npm run nothing', 'package.json has no script nothing'],
  ['npm run keys -- create server --scopes all', 'npm run keys has no option --scopes'],
  ['npm run keys -- forget KEY_ID', 'npm run keys does not forget'],
  ['npm run with-cell -- eu1 -- npm run nothing', 'package.json has no script nothing'],
  ['npm run with-cell -- eu1', 'npm run with-cell: no command'],
  ['terraform -chdir=terraform/nowhere plan', 'terraform/nowhere is no folder of Terraform'],
  ['terraform -chdir=terraform/platform aply', 'terraform has no aply that is known here'],
  ['terraform -chdir=terraform/platform apply -var=secret_epoch=2', 'terraform/platform has no variable secret_epoch'],
  ['x=$(terraform -chdir=terraform/platform output -raw imge)', 'terraform/platform has no output imge'],
  [
    `terraform -chdir=terraform/platform state rm 'module.database["eu1"].google_sql_database_instance.second'`,
    'terraform/platform has nothing at module.database["eu1"].google_sql_database_instance.second',
  ],
  [
    'printf x | gcloud secrets versions add perigee-edge-key --data-file=-',
    'Terraform makes no secret perigee-edge-key',
  ],
  ['kubectl get pods', 'nobody said what kubectl is'],
])('of the wrong command %s it is said what is wrong', ([text, fault]) => {
  expect(shellCommands(text ?? '').flatMap(faultsOf)).toEqual([fault])
})

test('gcloud itself says of a wrong command of its own what is wrong', ({ skip }) => {
  skip(gcloudTree() === null, 'there is no gcloud here: its commands are not looked at')
  expect(faultsOf(['gcloud', 'sql', 'instances', 'promote', 'x'])).toEqual([
    'gcloud has no command sql instances promote x',
  ])
  expect(faultsOf(['gcloud', 'sql', 'instances', 'failover', 'x', '--now'])).toEqual([
    'gcloud sql instances failover has no --now',
  ])
  expect(faultsOf(['gcloud', 'sql', 'instances', 'failover', 'x', '--async', '--quiet'])).toEqual([])
})

test('every link of these pages leads somewhere, and to a heading that is there', () => {
  const slugsOf = (text: string) =>
    [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    )
  const broken = [...pages, 'terraform/reference.md'].flatMap((page) =>
    [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) => {
      const [path = '', anchor] = link.split('#')
      if (/^https?:/.test(link)) return []
      const target = path === '' ? page : join(dirname(page), path)
      if (!existsSync(join(project, target))) return [`${page}: ${link}`]
      return anchor === undefined || slugsOf(read(target)).includes(anchor) ? [] : [`${page}: ${link}`]
    }),
  )
  expect(broken).toEqual([])
})

test('tests that these pages lean on are there', () => {
  const named = pages.flatMap((page) => [
    ...read(page).matchAll(/`(?:test\/)?([\w/-]+)\.test\.ts`|`(guarantees\/[\w-]+)`/g),
  ])
  const missing = named
    .map(([, file, guarantee]) => `test/${file ?? guarantee}.test.ts`)
    .filter((file) => !existsSync(join(project, file)))
  expect(missing).toEqual([])
  expect(named.length).toBeGreaterThan(1)
})

test('inputs and outputs stand in the reference as the files have them (npm run generate)', async () => {
  const text = await referenceText()
  expect(read('terraform/reference.md')).toBe(text)
  const blocks = [
    'bootstrap',
    'platform',
    ...readdirSync(join(project, 'terraform/modules')).map((name) => `modules/${name}`),
  ]
    .flatMap((folder) => [`terraform/${folder}/variables.tf`, `terraform/${folder}/outputs.tf`])
    .flatMap((file) => [...read(file).matchAll(/^(?:variable|output) "/gm)])
  expect([...text.matchAll(/^\| `/gm)]).toHaveLength(blocks.length)
})

const platform = declaredIn(read('terraform/platform/variables.tf'))

/** Path of each member of an object's type -> its default, as it is written. */
const membersOf = (type: string, prefix = ''): Map<string, string> => {
  const members = new Map<string, string>()
  const inside = /object\(\{(.*)\}\)/s.exec(type)?.[1] ?? ''
  for (const part of splitAtCommas(inside)) {
    const [name = '', value = ''] = part.split(/ = (.*)/s)
    const [kind = '', byDefault = 'null'] = splitAtCommas(/^optional\((.*)\)$/s.exec(value)?.[1] ?? value)
    const nested = membersOf(kind, `${prefix}${name}.`)
    for (const [path, text] of nested) members.set(path, text)
    if (nested.size === 0) members.set(`${prefix}${name}`, value.startsWith('optional(') ? byDefault : 'to be given')
  }
  return members
}

const splitAtCommas = (text: string): string[] => {
  const parts: string[] = ['']
  let depth = 0
  for (const char of text) {
    if ('({['.includes(char)) depth++
    if (')}]'.includes(char)) depth--
    if (char === ',' && depth === 0) parts.push('')
    else parts.push(`${parts.pop()}${char}`)
  }
  return parts.map((part) => part.trim()).filter(Boolean)
}

const regions = membersOf(platform.find(({ name }) => name === 'regions')?.type ?? '')

test('the table of what a cell is made of has every member of regions, and its default', () => {
  const [, table = ''] = read('terraform/README.md').split('## What a cell is made of')
  const rows = [...(table.split('\n## ')[0] ?? '').matchAll(/^\| `([\w.]+)` \| (.+?) \|/gm)]
  const said = rows.map(([, name = '', value = '']) => [name, value.replaceAll('`', '')])
  expect(said).toEqual([...regions])
})

test('variables that these pages name, with their members, are there', () => {
  const members = new Map([
    ...regions,
    ...platform.flatMap(({ name, type = '' }) => [...membersOf(type, `${name}.`), [name, ''] as const]),
  ])
  const tops = new Set([...members.keys()].filter((path) => path.includes('.')).map((path) => path.split('.')[0]))
  const unknown = pages.flatMap((page) =>
    [...read(page).matchAll(/`(\w+)((?:\.\w+)+)`/g)]
      .map(([, top = '', rest = '']) => `${top}${rest}`)
      .filter((path) => tops.has(path.split('.')[0]) && !path.endsWith('.example'))
      .filter((path) => !members.has(path) && ![...members.keys()].some((known) => known.startsWith(`${path}.`)))
      .map((path) => `${page}: ${path}`),
  )
  expect(unknown).toEqual([])
  expect(tops).toContain('database')
})
