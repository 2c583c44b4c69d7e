import { spawn } from 'node:child_process'

/** A program of the PATH, and what it gets. */
export type Program = {
  /** What people call it, in errors; where it is absent, the command and its first argument. */
  readonly name?: string
  readonly command: string
  readonly args: readonly string[]
  /** Over this process's own variables. */
  readonly env?: Readonly<Record<string, string>>
  readonly folder?: string
  /** Written to its standard input, which is empty otherwise. */
  readonly input?: string
  /** Takes each line that it prints, on either stream, as it comes; absent, only an error shows them. */
  readonly onLine?: (line: string) => void
}

/** Of what a program printed, an error shows as many lines. */
const printedLinesMax = 20

/**
 * Runs a program to its end and answers with its standard output, byte for byte.
 * @throws Error when it is not there, or exits with another code than 0: with what it printed last on standard error, or on
 *   standard output where that is all
 */
export const run = (program: Program): Promise<string> =>
  new Promise((resolve, reject) => {
    const { command, args, name = `${command} ${args[0] ?? ''}`, env, folder, input = '', onLine } = program
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      ...(folder === undefined ? {} : { cwd: folder }),
    })
    const stdout = collect(child.stdout, onLine)
    const stderr = collect(child.stderr, onLine)
    child.once('error', (cause: NodeJS.ErrnoException) =>
      reject(new Error(cause.code === 'ENOENT' ? `there is no ${command} here: install it` : cause.message, { cause })),
    )
    child.once('close', (code, signal) => {
      if (code === 0) return resolve(stdout())
      const printed = (stderr().trim() || stdout().trim()).split('\n').slice(-printedLinesMax).join('\n  ')
      reject(new Error(`${name} failed (${signal ?? code})${printed ? `:\n  ${printed}` : ''}`))
    })
    // A program that ends without reading its input is judged by its exit code.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })

/** Tells what was read so far, and hands on whole lines. */
const collect = (stream: NodeJS.ReadableStream, onLine: Program['onLine']): (() => string) => {
  let text = ''
  let told = 0
  const tell = (end: number) => {
    for (const line of text.slice(told, end).split('\n')) onLine?.(line)
    told = end + 1
  }
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    text += chunk
    const end = text.lastIndexOf('\n')
    if (end >= told) tell(end)
  })
  stream.on('end', () => {
    if (told < text.length) tell(text.length)
  })
  return () => text
}
