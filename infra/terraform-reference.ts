import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A `variable` or an `output` of a folder of Terraform, as its file says it. */
export type Declared = {
  readonly name: string
  readonly description: string
  /** As it is written, on one line. Absent of outputs. */
  readonly type?: string
  /** Absent where one has to be given. */
  readonly default?: string
  readonly sensitive: boolean
}

const folder = fileURLToPath(new URL('../terraform/', import.meta.url))
const referenceFile = join(folder, 'reference.md')

const blockPattern = /^(?:variable|output) "(\w+)" \{\n([\s\S]*?)^\}/gm

/** Every variable or output of a file that `terraform fmt` has formatted. */
export const declaredIn = (text: string): Declared[] =>
  [...text.matchAll(blockPattern)].map(([, name = '', body = '']) => {
    const of = attributesOf(body)
    const description = /^"(.*)"$/.exec(of.get('description') ?? '')?.[1]
    if (!description) throw new Error(`${name} has no description on one line`)
    const [type, value] = [of.get('type'), of.get('default')]
    return {
      ...{ name, description: description.replaceAll('\\"', '"') },
      sensitive: of.get('sensitive') === 'true',
      ...(type === undefined ? {} : { type }),
      ...(value === undefined ? {} : { default: value }),
    }
  })

/** What stands at the first level of a block, each on one line; blocks within it are passed over. */
const attributesOf = (body: string): Map<string, string> => {
  const attributes = new Map<string, string>()
  for (const [, name = '', first = '', more = ''] of body.matchAll(
    /^ {2}(\w+) += (.*)((?:\n(?: {3,}.*|)$|\n {2}[)}\]]+.*$)*)/gm,
  ))
    attributes.set(name, onOneLine(`${first}${more}`))
  return attributes
}

/** Members that stood on lines of their own are set apart by commas. */
const onOneLine = (text: string): string =>
  text
    .replace(/([^\s({[,])\s*\n\s*(?=[^\s)}\]])/g, '$1, ')
    .replace(/\s+/g, ' ')
    .trim()

/** Above this a type or a default is told by its kind, and the file has the rest. */
const shownCharactersMax = 48

const shown = (text: string): string => {
  if (text.length <= shownCharactersMax) return `\`${text}\``
  const kinds = /^(?:(?:map|list|set)\()?(?:object|map|list|set)?/.exec(text)?.[0] ?? ''
  return kinds === '' ? 'see the file' : `\`${kinds.replace(/\(?$/, '')}${kinds.includes('(') ? ')' : ''}\``
}

/** As a cell of a table: what stands in backticks is shown as it is. */
const cell = (text: string): string =>
  text
    .replaceAll('|', '\\|')
    .split('`')
    .map((part, at) => (at % 2 === 0 ? part.replaceAll('<', '&lt;') : part))
    .join('`')

const inputRow = ({ name, type = 'any', description, ...of }: Declared): string => {
  const value = of.default === undefined ? 'to be given' : shown(of.default)
  return `| \`${name}\` | ${shown(type)} | ${value} | ${cell(description)} |`
}

const outputRow = ({ name, sensitive, description }: Declared): string =>
  `| \`${name}\` | ${cell(description)}${sensitive ? ' (sensitive)' : ''} |`

const sectionOf = async (path: string): Promise<string> => {
  const declared = async (file: string) => declaredIn(await readFile(join(folder, path, file), 'utf8'))
  const inputs = await declared('variables.tf')
  const outputs = await declared('outputs.tf')
  return [
    `## ${path}`,
    ['| input | type | default | what it is |', '|---|---|---|---|', ...inputs.map(inputRow)].join('\n'),
    ['| output | what it is |', '|---|---|', ...outputs.map(outputRow)].join('\n'),
  ].join('\n\n')
}

/** The page of all inputs and outputs, made of the files alone. */
export const referenceText = async (): Promise<string> => {
  const modules = (await readdir(join(folder, 'modules'))).toSorted()
  const sections = await Promise.all(
    ['bootstrap', 'platform', ...modules.map((name) => `modules/${name}`)].map(sectionOf),
  )
  const head = `# Inputs and outputs

Made from the files by \`npm run generate\`. How the roots are used stands in [README.md](README.md).`
  return `${[head, ...sections].join('\n\n')}\n`
}

if (import.meta.main) await writeFile(referenceFile, await referenceText())
