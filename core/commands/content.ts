import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { contentKinds } from '#contract/content.ts'
import { textSchema } from '#contract/scalars.ts'
import { type CommandConfig, parseCommandConfig, requireControl } from '#core/config.ts'
import { type ContentFile, exportContent, parseContentFile } from '#core/content-file.ts'
import { differencesOf } from '#core/differences.ts'
import { type Imported, importContent, isRefused } from '#core/import-content.ts'
import { type Database, openDatabase } from '#db/client.ts'

const usage = `Flags and live events as a file. Needs CELL (the control cell), DATABASE_URL and MASTER_KEYS in the environment,
and CONTROL_CELL where there are several cells.

  content export FILE                     writes what is live; without FILE it is printed
  content diff FILE                       what the file would change of it; ends with 2 where it changes something
  content import FILE                     makes the file's documents the drafts
  content import FILE --publish --note T  and publishes them, all or none`

/** Ends the command with a message for whoever typed it. */
class UsageError extends Error {}

/** Faults and changes that are printed of a document; the console shows a hundred. */
const printedMax = 1_000

const parse = () => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { publish: { type: 'boolean', default: false }, note: { type: 'string' } },
    })
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : error}\n\n${usage}`)
  }
}

type Arguments = ReturnType<typeof parse>

const run = async ({ positionals, values }: Arguments, { db }: Database, { CELL: cell }: CommandConfig) => {
  const [action, file, ...more] = positionals
  if (more.length > 0) throw new UsageError(usage)
  if (action === 'export') return writeContent(await exportContent(db), file)
  if (file === undefined) throw new UsageError(usage)
  if (action === 'diff') return diff(await exportContent(db), await readContent(file))
  if (action !== 'import') throw new UsageError(usage)
  const note = noteIn(values)
  const { documents } = await readContent(file)
  const imported = await importContent(db, { cell, now: new Date() }, { documents, note })
  if (isRefused(imported)) throw new UsageError(imported.flatMap(linesOf).concat('', refusedText).join('\n'))
  for (const { kind, outcome, number } of imported)
    print(`${kind}: ${outcome}${number === undefined ? '' : ` as number ${number}`}`)
}

/** What is wrong with a document. */
const linesOf = ({ kind, faults }: Imported): string[] =>
  faults.slice(0, printedMax).map(({ pointer, detail }) => `${kind} ${pointer || '/'}: ${detail}`)

const refusedText = `Nothing was imported. Flags are checked against the live events that are live, and live events against the flags:
where the file drops flags that live events use, and brings live events that use new ones, import the flags with both
first, then the live events, then the flags without.`

const print = (line: string) => console.log(line)

const diff = ({ documents: live }: ContentFile, { documents }: ContentFile) => {
  for (const kind of contentKinds) {
    const document = documents[kind]
    const changes = document ? differencesOf(live[kind] ?? {}, document) : []
    for (const { pointer, change, before, after } of changes.slice(0, printedMax)) {
      const values = [before, after].filter((value) => value !== undefined).map((value) => JSON.stringify(value))
      print(`${kind} ${pointer || '/'} ${change}: ${values.join(' -> ')}`)
    }
    if (changes.length > printedMax) print(`${kind}: ${changes.length - printedMax} changes more`)
    if (changes.length > 0) process.exitCode = 2
  }
}

const noteIn = ({ publish, note }: Arguments['values']): string | undefined => {
  if (!publish && note !== undefined) throw new UsageError(`--note is for --publish\n\n${usage}`)
  if (!publish) return undefined
  const parsed = textSchema({ min: 1, max: 500 }).safeParse(note)
  if (!parsed.success) throw new UsageError(`--publish needs --note, 1 to 500 characters: what changes, and why`)
  return parsed.data
}

/** @throws UsageError for a file that is not there, ContentFileError for one that is none of ours */
const readContent = async (file: string): Promise<ContentFile> =>
  parseContentFile(await readFile(file).catch(refuseFile))

/** A file by its name, because `npm run` prints lines of its own before ours. @throws UsageError where it cannot be written */
const writeContent = async (content: ContentFile, file: string | undefined): Promise<void> => {
  const text = JSON.stringify(content, null, 2)
  if (file === undefined) print(text)
  else await writeFile(file, `${text}\n`).catch(refuseFile)
}

const refuseFile = (error: unknown): never => {
  throw new UsageError(error instanceof Error ? error.message : String(error))
}

let database: Database | undefined
try {
  const given = parse()
  const config = parseCommandConfig(process.env)
  requireControl(config)
  const { DATABASE_URL: url } = config
  database = openDatabase({ url, poolMax: 2, statementTimeoutMs: 30_000, applicationName: 'perigee-content' })
  await run(given, database, config)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  await database?.close(1_000)
}
