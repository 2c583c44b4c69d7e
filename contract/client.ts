import { type ErrorCode, type ExtrasOf, isErrorCode } from './errors.ts'
import { type Problem, problemSchema } from './problem.ts'
import { type AnswerOf, type CallOf, fill, type Route } from './route.ts'
import type { RouteTable } from './routes.ts'

export type ClientOptions = {
  /** Where the edge is, without a trailing slash. */
  readonly baseUrl: string
  readonly fetch?: (request: Request) => Promise<Response>
  /** Sent with every call; names the client app. */
  readonly publishableKey?: string
  /** Asked for each call that needs credentials, so that a refreshed token is used at once. */
  readonly bearer?: () => string | undefined
}

export type CallOptions = {
  /** The same key for every attempt of one logical write. Made up when it is absent. */
  readonly idempotencyKey?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

export type Answer<Body> = { readonly status: number; readonly headers: Headers; readonly body: Body }

/** The one error of a call: an answer that is a problem, or no answer at all (`code` is `network_failure`, `status` 0). */
export class CallError extends Error {
  override readonly name = 'CallError'
  readonly status: number
  /** A code of this version's table, a newer deployment's, or `network_failure`. */
  readonly code: string
  readonly problem: Problem | undefined
  readonly headers: Headers

  constructor(options: {
    status: number
    code: string
    message: string
    problem?: Problem
    headers?: Headers
    cause?: unknown
  }) {
    super(options.message, { cause: options.cause })
    this.status = options.status
    this.code = options.code
    this.problem = options.problem
    this.headers = options.headers ?? new Headers()
  }

  /** Narrows to one code, with the extra members that its problem document carries. */
  is<Code extends ErrorCode>(
    code: Code,
  ): this is CallError & { readonly code: Code; readonly problem: Problem & ExtrasOf<Code> } {
    return this.code === code && isErrorCode(code)
  }
}

type Call<R extends Route> =
  Record<never, never> extends CallOf<R>
    ? (input?: CallOf<R>, options?: CallOptions) => Promise<Answer<AnswerOf<R>>>
    : (input: CallOf<R>, options?: CallOptions) => Promise<Answer<AnswerOf<R>>>

export type Client<Table extends RouteTable> = { readonly [Name in keyof Table]: Call<Table[Name]> }

/**
 * A typed caller: one method a route, named as in the table. Every answer is parsed against its schema.
 *
 * The client echoes the last `Perigee-Consistency` that it received, so it reads its own writes wherever they are answered.
 * It does not retry.
 *
 * @throws CallError for every failure
 * @example
 * const perigee = createClient(routes, { baseUrl: 'http://127.0.0.1:8787', publishableKey: 'pk_…' })
 * const { body } = await perigee.signInWithDevice({ body: { deviceId: '0123456789abcdef' } })
 */
export const createClient = <const Table extends RouteTable>(table: Table, options: ClientOptions): Client<Table> => {
  let consistency: string | undefined

  const call = async (route: Route, input: Parts = {}, callOptions: CallOptions = {}) => {
    const request = requestOf(route, input, { ...options, ...callOptions, consistency })
    const response = await send(request, options.fetch ?? fetch)
    consistency = response.headers.get('perigee-consistency') ?? consistency
    return read(route, response)
  }
  const methods = Object.entries(table).map(([name, route]) => [
    name,
    (input?: Parts, o?: CallOptions) => call(route, input, o),
  ])
  // The names and the parts of each method come from the same table that the type is mapped from.
  return Object.fromEntries(methods) as Client<Table>
}

type Parts = {
  readonly params?: Readonly<Record<string, unknown>>
  readonly query?: Readonly<Record<string, unknown>>
  readonly body?: unknown
}

const requestOf = (
  route: Route,
  input: Parts,
  options: ClientOptions & CallOptions & { consistency: string | undefined },
): Request => {
  const url = new URL(options.baseUrl + fill(route.path, input.params ?? {}))
  for (const [name, value] of Object.entries(input.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value))
  }
  const headers = new Headers(options.headers)
  const setDefault = (name: string, value: string | undefined) => {
    if (value !== undefined && !headers.has(name)) headers.set(name, value)
  }
  setDefault('x-api-key', options.publishableKey)
  setDefault('perigee-consistency', options.consistency)
  if (['player', 'app', 'server', 'operator'].includes(route.access)) {
    const bearer = options.bearer?.()
    setDefault('authorization', bearer === undefined ? undefined : `Bearer ${bearer}`)
  }
  if (route.delivery.kind === 'forwarded' && route.delivery.idempotencyKey !== 'none') {
    setDefault('idempotency-key', options.idempotencyKey ?? crypto.randomUUID())
  }
  if (input.body !== undefined) setDefault('content-type', 'application/json')
  return new Request(url, {
    method: route.method,
    headers,
    ...(input.body === undefined ? {} : { body: JSON.stringify(input.body) }),
    ...(options.signal ? { signal: options.signal } : {}),
  })
}

const send = async (request: Request, fetcher: (request: Request) => Promise<Response>): Promise<Response> => {
  try {
    return await fetcher(request)
  } catch (cause) {
    throw new CallError({
      status: 0,
      code: 'network_failure',
      message: `no answer to ${request.method} ${request.url}`,
      cause,
    })
  }
}

const read = async (route: Route, response: Response): Promise<Answer<never>> => {
  const { status, headers } = response
  const text = await response.text()
  if (!response.ok) throw callErrorOf(text, response)
  const body = typeof route.answer === 'string' ? text : route.answer.parse(JSON.parse(text))
  return { status, headers, body: body as never }
}

const callErrorOf = (text: string, { status, headers }: Response): CallError => {
  const problem = problemSchema.safeParse(parseJson(text))
  if (!problem.success)
    return new CallError({
      status,
      code: 'unknown',
      message: `an answer with status ${status} that is no problem document`,
      headers,
    })
  const { code, title, detail } = problem.data
  return new CallError({ status, code, message: detail ?? title, problem: problem.data, headers })
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
