import type * as z from 'zod'
import type { ErrorCode } from './errors.ts'
import type { PlayerId } from './ids.ts'
import { type Role, roles, type Scope } from './rights.ts'
import type { RefusedItem, Split } from './split.ts'

/**
 * Who may call: anyone; a known client app (`X-API-Key`); a signed-in player; either of the two, whose key may also come as a
 * bearer and who is the player where both come (`app`); another backend; a person who runs the game.
 */
export type Access = 'public' | 'client' | 'player' | 'app' | 'server' | 'operator'

/**
 * Which cell answers: the caller's home, the home of the id in the path, the nearest, or the control cell; `targets` are the
 * homes of the players whom the items of the body name, each of which answers for its own.
 */
export type Target = 'caller' | 'target' | 'targets' | 'nearest' | 'control'

/**
 * Answered from the edge's cache; every caller shares the entry, so the answer must not depend on who asks.
 * All lives are milliseconds.
 */
export type Cached<Tag extends string = string> = {
  readonly kind: 'cached'
  /** The name of the thing that is cached, over path parameters: a change of it invalidates the entry. */
  readonly tag: Tag
  /**
   * How long the near tiers serve an entry without asking whether a newer version exists: by this, and the time that an
   * invalidation takes, other readers may be behind.
   */
  readonly freshMs: number
  /**
   * With the core there nothing older is served: by this they may be behind when an invalidation was lost. In its second half
   * an entry is refreshed behind the response.
   */
  readonly staleMs: number
  /** Nothing older than this is ever served: by this they may be behind when the core is gone. */
  readonly hardMs: number
}

/** The read is forwarded and its answer never stored. */
export type Direct = { readonly kind: 'direct' }

/**
 * The write is forwarded. `idempotencyKey`: `required` (absent is 400), `optional` (the edge makes one up, so that its own
 * retry is safe), `none` (the call is idempotent by itself and its answer holds secrets that are not stored).
 */
export type Forwarded = { readonly kind: 'forwarded'; readonly idempotencyKey: 'required' | 'optional' | 'none' }

/** What the edge evaluates for whoever asks: all flags, one of them, the calendar of live events. */
export type Evaluated = 'flags' | 'flag' | 'live-events'

/**
 * Answered by the edge alone: from a document of every cell, from a file that was deployed with the Worker, or by evaluating
 * what was published.
 */
export type Local =
  | { readonly kind: 'local'; readonly document: 'jwks' }
  | { readonly kind: 'local'; readonly asset: string }
  | { readonly kind: 'local'; readonly evaluates: Evaluated }

export type Delivery = Cached | Direct | Forwarded | Local

/** The documents that a core publishes to the edge. All but `jwks` stay inside; `content` names what is live of each kind. */
export type DocumentName = 'jwks' | 'clients' | 'revocations' | 'content'

export type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'

export type Route = {
  readonly method: Method
  /** Path template with `{name}` parameters. */
  readonly path: string
  readonly summary: string
  readonly description?: string
  readonly access: Access
  /** What a server's key must be allowed; named by every route for servers and by no other. */
  readonly scope?: Scope
  /** The least role that will do; named by every route for operators and by no other. */
  readonly role?: Role
  readonly cell: Target
  /** There if and only if `cell` is `targets`. */
  readonly split?: Split
  readonly delivery: Delivery
  readonly params?: z.ZodObject
  readonly query?: z.ZodObject
  readonly body?: z.ZodObject
  /** Bytes of a body at the most, where 64 KiB are not enough. */
  readonly bodyBytesMax?: number
  /** A change of what others change too: without `If-Match` it is refused, and where that no longer matches. */
  readonly precondition?: 'if-match'
  /** Whoever sends it can as well send it later: under too much load it is refused first. */
  readonly deferrable?: true
  /** How it says no, where that is not RFC 9457: OFREP has a form of its own. */
  readonly errorFormat?: 'ofrep'
  /** The status of success. */
  readonly status: 200 | 201
  /** The answer's schema; for an `asset`, the media type. */
  readonly answer: z.ZodType | string
  /** The codes that this route answers beside those that `errorsOf` derives from access and delivery. */
  readonly errors: readonly ErrorCode[]
}

/** The `{name}`s of a template, as a union. */
type NamesIn<Template extends string> = Template extends `${string}{${infer Name}}${infer Rest}`
  ? Name | NamesIn<Rest>
  : never

type KeysOf<Schema> = Schema extends z.ZodObject<infer Shape> ? keyof Shape & string : never

/** A route whose body the edge takes apart. */
export type SplitRoute = Route & { readonly split: Split; readonly body: z.ZodObject }

/** An element of the list that a schema has under a name; undefined where it has no such list. */
type ElementOf<Schema, Name extends string> = Schema extends z.ZodObject
  ? z.output<Schema> extends { readonly [Key in Name]: readonly (infer Element)[] }
    ? Element
    : undefined
  : undefined

/** A forwarded route whose items name players, and whose results are all of the answer and can say that an item was refused. */
type CanBeSplit<R extends Route, S extends Split> = [
  R['delivery'],
  ElementOf<R['body'], S['items']>,
  KeysOf<R['answer']>,
  RefusedItem,
] extends [
  Forwarded,
  { readonly playerId: PlayerId },
  S['results'],
  Extract<ElementOf<R['answer'], S['results']>, RefusedItem>,
]
  ? true
  : false

/** `unknown` where the route is whole, else a type that names what is missing, so that the route does not compile. */
type Check<R extends Route> =
  | ([Exclude<NamesIn<R['path']>, KeysOf<R['params']>>] extends [never]
      ? never
      : { 'path parameter without schema': Exclude<NamesIn<R['path']>, KeysOf<R['params']>> })
  | ([Exclude<KeysOf<R['params']>, NamesIn<R['path']>>] extends [never]
      ? never
      : { 'parameter not in path': Exclude<KeysOf<R['params']>, NamesIn<R['path']>> })
  | (R['delivery'] extends Cached<infer Tag>
      ? [Exclude<NamesIn<Tag>, NamesIn<R['path']>>] extends [never]
        ? never
        : { 'tag names no path parameter': Exclude<NamesIn<Tag>, NamesIn<R['path']>> }
      : never)
  | (R['delivery'] extends Cached
      ? R extends { method: 'GET'; access: 'public' | 'client' | 'player'; cell: 'target' | 'nearest' | 'control' }
        ? never
        : { 'cached is for GET, for whom the edge itself can tell, and the same whoever asks': R['path'] }
      : never)
  | (R extends { split: infer S extends Split }
      ? CanBeSplit<R, S> extends true
        ? never
        : {
            'split is for what is forwarded, items that name players, and results that can be refused and are all of the answer': S
          }
      : never)
  | (R extends { split: Split }
      ? R['cell'] extends 'targets'
        ? never
        : { 'only what goes to the cells of its targets is split': R['path'] }
      : R['cell'] extends 'targets'
        ? { 'what goes to the cells of its targets says how it is split': R['path'] }
        : never)
  | (R extends { access: 'server' }
      ? R extends { scope: Scope }
        ? never
        : { 'a route for servers without scope': R['path'] }
      : never)
  | (R extends { scope: Scope }
      ? R extends { access: 'server' }
        ? never
        : { 'a scope is for servers': R['path'] }
      : never)
  | (R extends { access: 'operator' }
      ? R extends { role: Role }
        ? never
        : { 'a route for operators without role': R['path'] }
      : never)
  | (R extends { role: Role }
      ? R extends { access: 'operator' }
        ? never
        : { 'a role is for operators': R['path'] }
      : never)

/**
 * A route as plain data. A parameter without a schema, a tag over a parameter that the path lacks, a split that the edge could not
 * carry out, or a route for servers without scope or for operators without role does not compile.
 */
export const defineRoute = <const R extends Route>(route: R & ([Check<R>] extends [never] ? unknown : Check<R>)): R =>
  route

export const cached = <const Tag extends string>(options: Omit<Cached<Tag>, 'kind'>): Cached<Tag> => ({
  kind: 'cached',
  ...options,
})
export const direct: Direct = { kind: 'direct' }
export const forwarded = (options: Omit<Forwarded, 'kind'>): Forwarded => ({ kind: 'forwarded', ...options })
export const localDocument = (document: 'jwks') => ({ kind: 'local', document }) as const
export const localAsset = <const Path extends string>(asset: Path) => ({ kind: 'local', asset }) as const
export const localEvaluation = (evaluates: Evaluated) => ({ kind: 'local', evaluates }) as const

type Inferred<Schema, Direction extends 'input' | 'output'> = Schema extends z.ZodType
  ? Direction extends 'input'
    ? z.input<Schema>
    : z.output<Schema>
  : undefined

/** What a verb is given: every part parsed. A part that the route does not declare is undefined. */
export type InputOf<R extends Route> = {
  readonly params: Inferred<R['params'], 'output'>
  readonly query: Inferred<R['query'], 'output'>
  readonly body: Inferred<R['body'], 'output'>
}

type Given<Name extends string, Schema> = Schema extends z.ZodType
  ? { readonly [Key in Name]: z.input<Schema> }
  : unknown

/** What a caller gives: only the parts that the route declares. */
export type CallOf<R extends Route> = Given<'params', R['params']> &
  Given<'query', R['query']> &
  Given<'body', R['body']>

/** What a caller receives. Text for an asset. */
export type AnswerOf<R extends Route> = R['answer'] extends z.ZodType ? z.output<R['answer']> : string

const byAccess: Record<Access, readonly ErrorCode[]> = {
  public: [],
  client: ['unauthenticated', 'key_invalid', 'origin_not_allowed'],
  player: ['unauthenticated', 'token_invalid', 'token_expired', 'origin_not_allowed'],
  app: ['unauthenticated', 'key_invalid', 'token_invalid', 'token_expired', 'origin_not_allowed'],
  server: ['unauthenticated', 'key_invalid', 'origin_not_allowed'],
  operator: ['unauthenticated', 'key_invalid', 'origin_not_allowed'],
}

const byDelivery: Record<Delivery['kind'], readonly ErrorCode[]> = {
  cached: ['overloaded', 'unavailable', 'deadline_exceeded', 'internal'],
  direct: ['overloaded', 'unavailable', 'deadline_exceeded', 'internal'],
  forwarded: ['overloaded', 'unavailable', 'deadline_exceeded', 'internal'],
  local: ['internal'],
}

const byKey: Record<Forwarded['idempotencyKey'], readonly ErrorCode[]> = {
  required: ['idempotency_key_missing', 'idempotency_key_invalid', 'idempotency_mismatch', 'idempotency_in_flight'],
  optional: ['idempotency_key_invalid', 'idempotency_mismatch', 'idempotency_in_flight'],
  none: [],
}

/** Every code that a route can answer: its own, and those that follow from its access, delivery and parts. Sorted. */
export const errorsOf = (route: Route): ErrorCode[] => {
  const codes = new Set<ErrorCode>([
    ...route.errors,
    ...byAccess[route.access],
    ...byDelivery[route.delivery.kind],
    ...(route.delivery.kind === 'forwarded' ? byKey[route.delivery.idempotencyKey] : []),
    'too_many_requests',
    'headers_too_large',
  ])
  if (route.scope) codes.add('scope_missing')
  // The least of all roles is everybody's.
  if (route.role && route.role !== roles[0]) codes.add('role_insufficient')
  if (route.params || route.query || route.body) codes.add('invalid_request')
  // Two requests for what takes nothing cannot differ.
  else codes.delete('idempotency_mismatch')
  if (route.body)
    for (const code of ['malformed_json', 'body_too_large', 'unsupported_media_type'] as const) codes.add(code)
  if (route.precondition) for (const code of ['precondition_required', 'precondition_failed'] as const) codes.add(code)
  // A file was deployed with the edge; a document has to be had from a core.
  if (route.delivery.kind === 'local' && !('asset' in route.delivery))
    for (const code of ['unavailable', 'deadline_exceeded'] as const) codes.add(code)
  return [...codes].sort()
}

/** Puts values in the places of a template's `{name}`s. The values must be those of the template's own route. */
export const fill = (template: string, values: Readonly<Record<string, unknown>>): string =>
  template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(values[name])))

/** More parts before fewer, and a fixed part before a parameter: `/v1/players/me` before `/v1/players/{playerId}`. */
export const bySpecificity = (a: Route, b: Route): number => {
  const key = (route: Route) =>
    route.path
      .split('/')
      .map((part) => (part.startsWith('{') ? '1' : '0'))
      .join('')
  return (
    b.path.split('/').length - a.path.split('/').length || key(a).localeCompare(key(b)) || a.path.localeCompare(b.path)
  )
}
