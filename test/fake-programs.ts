import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** How a program of the stand-ins was called. */
export type FakeCall = {
  readonly program: string
  readonly args: readonly string[]
  /** What it read from the file behind `--secrets-file`; absent where it has no such argument. */
  readonly secrets?: string
  /** Its CLOUDFLARE_API_TOKEN. */
  readonly token?: string
}

/** What a program prints and exits with, by the beginning of its arguments; the first that fits counts. */
export type FakeAnswers = Readonly<
  Record<
    string,
    readonly { readonly args: string; readonly prints?: string; readonly code?: number; readonly told?: string }[]
  >
>

/** Stand-ins for programs on the PATH. */
export type FakePrograms = {
  /** A PATH that finds them first, and node. */
  readonly path: string
  calls(): Promise<FakeCall[]>
  remove(): Promise<void>
}

/** As plain JavaScript, since whatever node is on the PATH runs it. `told` goes where wrangler tells machines what it did. */
const script = `
const { appendFileSync, readFileSync } = require('node:fs')
const { join } = require('node:path')
const [program, ...args] = process.argv.slice(2)
const answers = JSON.parse(readFileSync(join(__dirname, 'answers.json'), 'utf8'))
const at = args.indexOf('--secrets-file')
const secrets = at < 0 ? undefined : readFileSync(args[at + 1], 'utf8')
appendFileSync(join(__dirname, 'calls.ndjson'), JSON.stringify({ program, args, secrets, token: process.env.CLOUDFLARE_API_TOKEN }) + '\\n')
const answer = (answers[program] ?? []).find((known) => args.join(' ').startsWith(known.args))
if (!answer) { console.error('nobody expected: ' + program + ' ' + args.join(' ')); process.exit(99) }
if (answer.told && process.env.WRANGLER_OUTPUT_FILE_PATH) appendFileSync(process.env.WRANGLER_OUTPUT_FILE_PATH, answer.told + '\\n')
const text = (answer.prints ?? '').replaceAll('{secrets}', secrets)
;(answer.code ? process.stderr : process.stdout).write(text)
process.exitCode = answer.code ?? 0
`

/** Makes a folder with one executable for each program that has answers. */
export const fakePrograms = async (answers: FakeAnswers): Promise<FakePrograms> => {
  const folder = await mkdtemp(join(tmpdir(), 'perigee-fakes-'))
  const bin = join(folder, 'bin')
  await mkdir(bin)
  await writeFile(join(folder, 'fake.cjs'), script)
  await writeFile(join(folder, 'answers.json'), JSON.stringify(answers))
  for (const program of Object.keys(answers)) {
    const file = join(bin, program)
    await writeFile(file, `#!/bin/sh\nexec "${process.execPath}" "${folder}/fake.cjs" ${program} "$@"\n`)
    await chmod(file, 0o755)
  }
  return {
    path: `${bin}:${dirname(process.execPath)}:/usr/bin:/bin`,
    calls: async () => {
      const text = await readFile(join(folder, 'calls.ndjson'), 'utf8').catch(() => '')
      return text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as FakeCall)
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}
