import type { IncomingHttpHeaders } from 'node:http'
import type { Regions } from './upstash-regions.ts'
import type { Work } from './upstash-request.ts'
import { CommandError, type Outcome, onlyReads, type Reply } from './upstash-store.ts'

export type Access = 'all' | 'read'

/** `state` is what the answer was made from; 0 for what was refused before anything was looked at. */
export type Answer = { readonly status: number; readonly body: Outcome | readonly Outcome[]; readonly state: number }

/**
 * Upstash answers an error of a single command, and one of a whole transaction, with 400; within a pipeline it is data.
 * @throws CommandError for a write under the read-only token; a batch that holds one is refused whole, for its sender has
 * been given the wrong token
 */
export const answerWork = async (options: {
  readonly regions: Regions
  readonly work: Work
  readonly access: Access
  readonly seen: number
}): Promise<Answer> => {
  const { kind, commands } = options.work
  const write = options.access === 'read' ? commands.find((command) => !onlyReads(command)) : undefined
  if (write)
    throw new CommandError(`NOPERM this user has no permissions to run the '${write[0].toLowerCase()}' command`)
  const { outcomes, state } = await options.regions.run(options.work, options.seen)
  if ('error' in outcomes) return { status: 400, body: outcomes, state }
  const [only] = outcomes
  if (kind !== 'one' || !only) return { status: 200, body: outcomes, state }
  return { status: 'error' in only ? 400 : 200, body: only, state }
}

/** The answer to a request that failed as a whole: by its own fault, or because a store cannot be reached. */
export const answerFailure = (error: unknown): Answer =>
  refuse(error instanceof CommandError ? 400 : 500, error instanceof Error ? error.message : String(error))

export const refuse = (status: number, error: string): Answer => ({ status, body: { error }, state: 0 })

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

/** The state that a client knows of, by the sync token that it sends; 0 for none, or one that is not ours. */
export const stateOf = (token: string | string[] | undefined): number =>
  typeof token === 'string' && /^\d{1,15}$/.test(token) ? Number(token) : 0

/**
 * The token by which a client reads its own writes, opaque to clients: the number of writes that it has seen. One that is
 * ahead of us is handed back as it came, so that no client is ever moved backwards.
 *
 * Upstash says that its token tells of the primary's state. After a read of a replica this one tells of the replica's, which
 * is less: what holds for clients here holds for them there.
 */
export const tokenOf = (seen: number, state: number): string => String(Math.max(seen, state))
