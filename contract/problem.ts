import * as z from 'zod'
import { type ErrorCode, type ExtrasOf, errors, problemType } from './errors.ts'

/** One thing that is wrong with the input: `pointer` is an RFC 6901 JSON Pointer into the part that `in` names. */
export const inputErrorSchema = z
  .object({ in: z.enum(['body', 'query', 'path', 'header']), pointer: z.string(), detail: z.string() })
  .meta({ id: 'InputError' })

export type InputError = z.infer<typeof inputErrorSchema>

/** At most this many input errors are listed: enough to mend a form, too few to be used as an amplifier. */
export const inputErrorsMax = 20

/** The body of every failure, `application/problem+json`. Further members by code: `errors[code].extras`. @see RFC 9457 */
export const problemSchema = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int().min(400).max(599),
    code: z.string(),
    requestId: z.string(),
    detail: z.string().optional(),
    errors: z.array(inputErrorSchema).max(inputErrorsMax).optional(),
  })
  .meta({ id: 'Problem' })

export type Problem = z.infer<typeof problemSchema>

export const problemContentType = 'application/problem+json'

export type FaultOptions<Code extends ErrorCode> = {
  /** For the caller to read; never a secret, an internal name or another player's data. */
  readonly detail?: string
  readonly errors?: readonly InputError[]
  readonly extras?: ExtrasOf<Code>
  /** Milliseconds after which a retry makes sense; sent as `Retry-After`, rounded up to whole seconds. */
  readonly retryAfterMs?: number
  /** For the log only. */
  readonly cause?: unknown
}

/** The one error that edge and core throw on purpose. Anything else that is thrown becomes `internal`. */
export class Fault<Code extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'Fault'
  readonly code: Code
  readonly detail: string | undefined
  readonly errors: readonly InputError[]
  readonly extras: Readonly<Record<string, unknown>>
  readonly retryAfterMs: number | undefined

  constructor(code: Code, options: FaultOptions<Code> = {}) {
    super(options.detail ?? errors[code].title, { cause: options.cause })
    this.code = code
    this.detail = options.detail
    this.errors = (options.errors ?? []).slice(0, inputErrorsMax)
    this.extras = options.extras ?? {}
    this.retryAfterMs = options.retryAfterMs
  }

  get status(): number {
    return errors[this.code].status
  }
}

/** The members that every problem of a code begins with, as JSON text without the closing brace; SQL appends the rest. */
export const problemHead = (code: ErrorCode): string => {
  const { status, title } = errors[code]
  return JSON.stringify({ type: problemType(code), title, status, code }).slice(0, -1)
}

/** A fault as the JSON text of its problem document. */
export const problemText = (fault: Fault, requestId: string): string => {
  const rest = {
    requestId,
    ...(fault.detail === undefined ? {} : { detail: fault.detail }),
    ...(fault.errors.length === 0 ? {} : { errors: fault.errors }),
    ...fault.extras,
  }
  return `${problemHead(fault.code)},${JSON.stringify(rest).slice(1)}`
}

/** Whether a code's answers say when to come back: 429, 503, and the 409 of a call in flight. */
export const carriesRetryAfter = (code: ErrorCode): boolean =>
  errors[code].status === 429 || errors[code].status === 503 || code === 'idempotency_in_flight'

const retryAfterDefaultMs = 1_000

/** `Retry-After` in whole seconds for the codes that carry it, else undefined. */
export const retryAfterOf = (fault: Fault): string | undefined => {
  if (!carriesRetryAfter(fault.code)) return undefined
  return String(Math.max(1, Math.ceil((fault.retryAfterMs ?? retryAfterDefaultMs) / 1_000)))
}

/**
 * What zod found, as input errors, the first `most`. What is said of a key is said of that key: zod names all that it does not
 * know at the object around them, in one message that would be as long as the body for each of them.
 */
export const inputErrorsOf = (error: z.ZodError, place: InputError['in'], most = inputErrorsMax): InputError[] => {
  const at = (path: readonly PropertyKey[], detail: string) => ({ in: place, pointer: jsonPointer(path), detail })
  return error.issues
    .slice(0, most)
    .flatMap((issue) => {
      if (issue.code === 'unrecognized_keys')
        return issue.keys.slice(0, most).map((key) => at([...issue.path, key], 'Unrecognized key'))
      return [at(issue.path, (issue.code === 'invalid_key' && issue.issues[0]?.message) || issue.message)]
    })
    .slice(0, most)
}

const jsonPointer = (path: readonly PropertyKey[]) =>
  path.map((segment) => `/${String(segment).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
