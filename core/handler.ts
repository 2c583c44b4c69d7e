import { edgeHeaders, encodeMoved } from '#contract/edge-request.ts'
import { Fault } from '#contract/problem.ts'
import type { AnswerOf, Forwarded, InputOf, Route } from '#contract/route.ts'
import type { Db, Tx } from '#db/client.ts'
import { type Act, record } from './audit.ts'
import type { SetWork } from './combine.ts'
import type { Command, Written } from './command.ts'
import type { Context } from './context.ts'
import { principalName } from './principal.ts'
import type { Outcome } from './write.ts'

/** What goes back to the edge. */
export type Reply = {
  readonly status: number
  readonly contentType: string
  readonly body: string | null
  readonly headers?: Readonly<Record<string, string>>
  /** Who answered a cached read; absent for anything else. */
  readonly source?: Source
  /** It was refused for want of room, and nothing was done. */
  readonly refused?: true
  /** What failed behind an answer that could be given all the same; for the log. */
  readonly failed?: readonly unknown[]
}

/** Which of the two Postgres servers was asked. */
export type Source = 'replica' | 'primary'

/** A route, and how the core answers it. Every feature's `routes.ts` is a list of these. */
export type Handler = {
  readonly route: Route
  /** `command` is there when the request carries an idempotency key. */
  readonly reply: (ctx: Context, input: never, command: Command | undefined) => Promise<Reply>
}

const json = (status: number, answer: unknown): Reply => ({
  status,
  contentType: 'application/json',
  body: JSON.stringify(answer),
})

/** Whose writes leave a row in the audit log. */
type OfBackOffice = { readonly access: 'operator' | 'server' }

/** `unknown` for what may be bound so, else a type that names what is wrong, so that the route does not compile. */
type NoWriteOfBackOffice<R extends Route> = R extends OfBackOffice & { readonly delivery: Forwarded }
  ? { 'a write that is to be audited is bound with `writes`': R['path'] }
  : unknown

/** Of what others change too the answer carries the revision as its ETag, for `If-Match` (RFC 9110 section 8.8.3). */
const revisionHeaders = (answer: unknown): Pick<Reply, 'headers'> =>
  typeof answer === 'object' && answer !== null && 'revision' in answer
    ? { headers: { etag: `"${answer.revision}"` } }
    : {}

/**
 * A route whose answer is not cached and whose effect, if any, is idempotent by itself. An answer with a `revision` carries it
 * as its ETag.
 */
export const answers = <R extends Route>(
  route: R & NoWriteOfBackOffice<R>,
  verb: (ctx: Context, input: InputOf<R>) => Promise<AnswerOf<R>>,
): Handler => ({
  route,
  reply: async (ctx, input) => {
    const answer = await verb(ctx, input)
    return { ...json(route.status, answer), ...revisionHeaders(answer) }
  },
})

/** A thing as it was read, with the version that the same snapshot showed. An absent thing has `value` undefined. */
export type Snapshot<Value> = {
  readonly value: Value | undefined
  /** 0 for what never existed. */
  readonly version: number
}

/**
 * A cached route: version and time of the snapshot go with the answer, also when that is 404, so that absence can be cached.
 * The verb runs once on the replica where there is one, and once on the primary where that gave no answer that will do.
 */
export const snapshots = <R extends Route>(
  route: R,
  verb: (ctx: Context, input: InputOf<R>) => Promise<Snapshot<AnswerOf<R>>>,
): Handler => ({
  route,
  reply: async (ctx, input) => {
    const read = (db: Db) => verb({ ...ctx, db }, input)
    const { value, version, readAt, source } = (await readFromReplica(ctx, read)) ?? (await readFromPrimary(ctx, read))
    const headers = { [edgeHeaders.version]: String(version), [edgeHeaders.readAt]: String(readAt) }
    if (value === undefined) throw new Absent(headers, source)
    return { ...json(route.status, value), headers, source }
  },
})

type DatedSnapshot<Value> = Snapshot<Value> & { readonly readAt: number; readonly source: Source }

/** Undefined when the answer must come from the primary: what the replica has not heard of yet is not thereby absent. */
const readFromReplica = async <Value>(
  { replica, floor, now, deadlineAt }: Context,
  read: (db: Db) => Promise<Snapshot<Value>>,
): Promise<DatedSnapshot<Value> | undefined> => {
  if (!replica || floor === 'primary') return undefined
  const found = await replica.read({ now, deadlineAt }, read)
  if (!found || found.answer.value === undefined || found.answer.version < floor) return undefined
  return { ...found.answer, readAt: found.readAt, source: 'replica' }
}

const readFromPrimary = async <Value>(
  { db, now }: Context,
  read: (db: Db) => Promise<Snapshot<Value>>,
): Promise<DatedSnapshot<Value>> => ({ ...(await read(db)), readAt: now.getTime(), source: 'primary' })

/** The 404 of a cached route: a fault that carries the version of what is not there. */
export class Absent extends Fault<'not_found'> {
  readonly headers: Readonly<Record<string, string>>
  readonly source: Source

  constructor(headers: Readonly<Record<string, string>>, source: Source) {
    super('not_found')
    this.headers = headers
    this.source = source
  }
}

/** What a verb decided; where its route is an operator's or a backend's, what it applied says what the audit log shall say. */
export type OutcomeOf<R extends Route> = Outcome<AnswerOf<R>> &
  (R extends OfBackOffice ? { readonly kind: 'refused' } | { readonly kind: 'applied'; readonly audit: Act } : unknown)

/** A write in a transaction of its own. An operator's or a backend's is audited in it, and does not compile without. */
export const writes = <R extends Route>(
  route: R,
  verb: (tx: Tx, ctx: Context, input: InputOf<R>) => Promise<OutcomeOf<R>>,
): Handler => ({
  route,
  reply: async (ctx, input, command) => {
    const { cell, requestId, now, principal } = ctx
    const work = async (tx: Tx) => {
      const outcome: Outcome<AnswerOf<R>> & { readonly audit?: Act } = await verb(tx, ctx, input)
      if (outcome.audit) await record(tx, { actor: principalName(principal), cell, requestId, now, ...outcome.audit })
      return outcome
    }
    return written(await ctx.write.one(required(command), route.status, work))
  },
})

/**
 * A write that is done in sets. The verb says what is to be done to which aggregate, and writes nothing. It is audited by what
 * its statement keeps: of a backend's wallet transactions, the ledger has principal, reference and reason.
 */
export const writesInSets = <R extends Route>(
  route: R & (R extends { readonly access: 'operator' } ? NoWriteOfBackOffice<R> : unknown),
  verb: (ctx: Context, input: InputOf<R>) => SetWork | Promise<SetWork>,
): Handler => ({
  route,
  reply: async (ctx, input, command) => written(await ctx.write.set(required(command), await verb(ctx, input))),
})

/** The command of a request to a route that asks for a key. */
export const required = (command: Command | undefined): Command => {
  if (!command) throw new Error('a write without a command: the route declares no idempotency key')
  return command
}

/** The answer of a write, with what the edge is to know of it. */
export const written = ({ status, contentType, body, moved, replayed }: Written): Reply => ({
  status,
  contentType,
  body,
  headers: {
    ...(moved.length > 0 ? { [edgeHeaders.moved]: encodeMoved(moved) } : {}),
    ...(replayed ? { 'idempotency-replayed': 'true' } : {}),
  },
})
