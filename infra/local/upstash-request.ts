import type { IncomingMessage } from 'node:http'
import { type Command, CommandError } from './upstash-store.ts'

/** What a request asks for, read from its path and its body. */
export type Work = {
  readonly kind: 'one' | 'pipeline' | 'transaction'
  readonly commands: readonly Command[]
}

/** Upstash's limit on a request of a database without a plan. */
const bodyBytesMax = 1024 * 1024
/** Far above the batches that Perigee sends; one request must not occupy the store for seconds. */
const commandsMax = 1_000

/**
 * Reads `POST /`, `/pipeline`, `/multi-exec`, and the path form: `/set/key/value?EX=100`, where a body, if there is
 * one, is the argument behind the path and the query comes last.
 * @throws CommandError for what is none of these, or above a bound
 * @see https://upstash.com/docs/redis/features/restapi
 */
export const readWork = async (request: IncomingMessage): Promise<Work> => {
  const url = new URL(request.url ?? '/', 'http://stand-in')
  const body = await readBody(request)
  if (url.pathname === '/pipeline') return { kind: 'pipeline', commands: parseCommands(body) }
  if (url.pathname === '/multi-exec') return { kind: 'transaction', commands: parseCommands(body) }
  if (url.pathname === '/') return { kind: 'one', commands: [parseCommand(parseJson(body))] }
  const path = url.pathname.slice(1).split('/').map(decodePart)
  const query = [...url.searchParams].flatMap(([name, value]) => (value === '' ? [name] : [name, value]))
  return { kind: 'one', commands: [parseCommand([...path, ...(body === '' ? [] : [body]), ...query])] }
}

const readBody = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes <= bodyBytesMax) chunks.push(chunk)
  }
  if (bytes > bodyBytesMax) throw new CommandError(`ERR max request size exceeded: limit ${bodyBytesMax} bytes`)
  return Buffer.concat(chunks).toString('utf8')
}

const decodePart = (part: string): string => {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new CommandError('ERR the path is not well encoded')
  }
}

const parseJson = (body: string): unknown => {
  try {
    return JSON.parse(body)
  } catch {
    throw new CommandError('ERR failed to parse the body as JSON')
  }
}

const parseCommands = (body: string): Command[] => {
  const parsed = parseJson(body)
  if (!Array.isArray(parsed) || parsed.length === 0)
    throw new CommandError('ERR a batch is an array of commands, with one at least')
  if (parsed.length > commandsMax) throw new CommandError(`ERR too many commands: limit ${commandsMax}`)
  return parsed.map(parseCommand)
}

const parseCommand = (parsed: unknown): Command => {
  if (!Array.isArray(parsed)) throw new CommandError('ERR a command is an array of its name and arguments')
  const [name, ...args] = parsed.map(toArgument)
  if (name === undefined || name === '') throw new CommandError('ERR empty command')
  return [name, ...args]
}

/** As Upstash does: a part that is neither text nor a number travels as its JSON. */
const toArgument = (part: unknown): string => (typeof part === 'string' ? part : JSON.stringify(part))
