import type { IncomingHttpHeaders } from 'node:http'
import type { Work } from './upstash-request.ts'
import { CommandError, type Outcome, onlyReads, type Reply, type Store } from './upstash-store.ts'

export type Access = 'all' | 'read'

export type Answer = { readonly status: number; readonly body: Outcome | readonly Outcome[]; readonly wrote: boolean }

/**
 * Upstash answers an error of a single command, and one of a whole transaction, with 400; within a pipeline it is data.
 */
export const answerWork = async (store: Store, work: Work, access: Access): Promise<Answer> => {
  const { kind, commands } = work
  const write = commands.find((command) => !onlyReads(command))
  // A batch that holds one write is refused whole: a client that sends it has been given the wrong token.
  if (write && access === 'read')
    throw new CommandError(`NOPERM this user has no permissions to run the '${write[0].toLowerCase()}' command`)
  const wrote = write !== undefined
  const outcomes = await (kind === 'transaction' ? store.transaction(commands) : store.pipeline(commands))
  if ('error' in outcomes) return { status: 400, body: outcomes, wrote }
  const [only] = outcomes
  if (kind !== 'one' || !only) return { status: 200, body: outcomes, wrote }
  return { status: 'error' in only ? 400 : 200, body: only, wrote }
}

/** The answer to a request that failed as a whole: by its own fault, or because the store cannot be reached. */
export const answerFailure = (error: unknown): Answer => ({
  status: error instanceof CommandError ? 400 : 500,
  body: { error: error instanceof Error ? error.message : String(error) },
  wrote: false,
})

/** What the bearer's token allows; undefined for a token that is neither. */
export const accessOf = (
  headers: IncomingHttpHeaders,
  tokens: { readonly token: string; readonly readOnlyToken: string },
): Access | undefined => {
  const sent = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1]
  if (sent === tokens.token) return 'all'
  return sent === tokens.readOnlyToken ? 'read' : undefined
}

/** `Upstash-Encoding: base64`: every text of a result, so that JSON does not have to carry what is not UTF-8. */
export const encodeBody = (body: Answer['body']): Answer['body'] =>
  'error' in body || 'result' in body ? encodeOutcome(body) : body.map(encodeOutcome)

const encodeOutcome = (outcome: Outcome): Outcome =>
  // The bare OK of a write is the exception, and clients rely on it.
  'error' in outcome || outcome.result === 'OK' ? outcome : { result: encodeReply(outcome.result) }

const encodeReply = (reply: Reply): Reply => {
  if (typeof reply === 'string') return Buffer.from(reply, 'utf8').toString('base64')
  return reply !== null && typeof reply === 'object' ? reply.map(encodeReply) : reply
}

/**
 * The token by which a client reads its own writes: here the number of writes so far, opaque to clients. A token that
 * is ahead of us is handed back as it came, so that no client is ever moved backwards.
 */
export const nextSyncToken = (sent: string | string[] | undefined, writes: number): string => {
  const seen = typeof sent === 'string' && /^\d{1,15}$/.test(sent) ? Number(sent) : 0
  return String(Math.max(seen, writes))
}
