import * as z from 'zod'
import { timeSchema } from './scalars.ts'

type ErrorDefinition = {
  readonly status: number
  readonly title: string
  /** Whether the same call, sent again unchanged (and with the same `Idempotency-Key`), can succeed later. */
  readonly retryable: boolean
  /** Members that the problem document of this code carries beside the standard ones. */
  readonly extras?: z.ZodRawShape
}

const define = <const Table extends Record<string, ErrorDefinition>>(table: Table) => table

const count = z.int().nonnegative()

/**
 * Every way in which Perigee says no: one row a code. The code is stable for ever; title and detail are for people.
 * Each code has a page, `docs/errors/<code>.md`, which a running deployment serves under `problemType(code)`.
 */
export const errors = define({
  malformed_json: { status: 400, title: 'The body is not valid JSON', retryable: false },
  invalid_request: { status: 400, title: 'The request does not fit its schema', retryable: false },
  idempotency_key_missing: { status: 400, title: 'This call needs an Idempotency-Key', retryable: false },
  idempotency_key_invalid: { status: 400, title: 'The Idempotency-Key is not acceptable', retryable: false },
  unauthenticated: { status: 401, title: 'This call needs credentials', retryable: false },
  token_invalid: { status: 401, title: 'The access token is not valid', retryable: false },
  token_expired: { status: 401, title: 'The access token has expired', retryable: false },
  key_invalid: { status: 401, title: 'The API key is not valid', retryable: false },
  credential_invalid: { status: 401, title: 'The credential is not valid', retryable: false },
  refresh_token_invalid: { status: 401, title: 'The refresh token is not valid', retryable: false },
  refresh_token_reused: { status: 401, title: 'The refresh token was used before', retryable: false },
  refresh_proof_invalid: {
    status: 401,
    title: "The refresh was not signed by the session's device",
    retryable: false,
    extras: { serverTime: timeSchema },
  },
  targeting_key_missing: {
    status: 400,
    title: 'The flag is split, and nothing tells whom it is for',
    retryable: false,
  },
  origin_not_allowed: { status: 403, title: 'The key does not allow this web origin', retryable: false },
  credential_refused: { status: 403, title: 'The credential is not valid for this account', retryable: false },
  last_credential: { status: 403, title: 'Nothing else signs in to the account', retryable: false },
  player_banned: {
    status: 403,
    title: 'The player is banned',
    retryable: false,
    extras: { bannedUntil: timeSchema, reason: z.string() },
  },
  deletion_pending: {
    status: 403,
    title: 'The account is about to be deleted',
    retryable: false,
    extras: { deleteAt: timeSchema },
  },
  scope_missing: {
    status: 403,
    title: 'The key does not have the scope',
    retryable: false,
    extras: { scope: z.string() },
  },
  role_insufficient: {
    status: 403,
    title: 'The call needs a higher role',
    retryable: false,
    extras: { role: z.string() },
  },
  not_found: { status: 404, title: 'There is nothing here that you may see', retryable: false },
  method_not_allowed: { status: 405, title: 'The path does not take this method', retryable: false },
  insufficient_funds: {
    status: 409,
    title: 'The balance does not cover the change',
    retryable: false,
    extras: { currency: z.string(), balance: count, needed: count },
  },
  balance_cap_exceeded: {
    status: 409,
    title: 'The change would pass the cap of the currency',
    retryable: false,
    extras: { currency: z.string(), balance: count, cap: count },
  },
  credential_taken: { status: 409, title: 'The credential belongs to another account', retryable: false },
  links_full: {
    status: 409,
    title: 'The account has as many links as it may',
    retryable: false,
    extras: { linksMax: count },
  },
  merge_across_cells: {
    status: 409,
    title: 'The two accounts live in different cells',
    retryable: false,
    extras: { cell: z.string() },
  },
  nothing_to_publish: { status: 409, title: 'This is what is live already', retryable: false },
  publish_scheduled: {
    status: 409,
    title: 'Another publish is scheduled',
    retryable: false,
    extras: { publishAt: timeSchema },
  },
  live_event_closed: {
    status: 409,
    title: 'The live event is not open for this',
    retryable: false,
    extras: { state: z.string() },
  },
  live_event_not_joined: { status: 409, title: 'The reward is for those who have joined', retryable: false },
  nothing_to_claim: { status: 409, title: 'The live event has no reward', retryable: false },
  idempotency_in_flight: { status: 409, title: 'The first call with this key is still running', retryable: true },
  precondition_failed: {
    status: 412,
    title: 'It has changed since it was read',
    retryable: false,
    extras: { revision: count },
  },
  body_too_large: { status: 413, title: 'The body is too large', retryable: false, extras: { limitBytes: count } },
  unsupported_media_type: { status: 415, title: 'The body is not application/json', retryable: false },
  misdirected: { status: 421, title: 'Another cell owns this', retryable: true, extras: { cell: z.string() } },
  idempotency_mismatch: { status: 422, title: 'The Idempotency-Key belongs to another request', retryable: false },
  content_invalid: {
    status: 422,
    title: 'The document cannot be published',
    retryable: false,
    extras: { faults: z.array(z.object({ pointer: z.string(), detail: z.string() })), faultsTotal: count },
  },
  currency_unknown: {
    status: 422,
    title: 'The currency is not declared',
    retryable: false,
    extras: { currency: z.string() },
  },
  password_weak: { status: 422, title: 'The password is too easy to guess', retryable: false },
  provider_unknown: { status: 422, title: 'The deployment knows no such issuer', retryable: false },
  display_name_not_allowed: { status: 422, title: 'The display name is not allowed', retryable: false },
  precondition_required: { status: 428, title: 'This call needs If-Match', retryable: false },
  too_many_requests: { status: 429, title: 'Too many requests', retryable: true },
  headers_too_large: {
    status: 431,
    title: 'The headers are too large',
    retryable: false,
    extras: { limitBytes: count },
  },
  internal: { status: 500, title: 'Something broke on our side', retryable: true },
  overloaded: { status: 503, title: 'There is more to do than can be done', retryable: true },
  unavailable: { status: 503, title: 'A part that this call needs is not available', retryable: true },
  deadline_exceeded: { status: 503, title: 'The call ran out of time', retryable: true },
})

export type ErrorCode = keyof typeof errors

/** The extra members of a code's problem document; an empty object for most codes. */
export type ExtrasOf<Code extends ErrorCode> = (typeof errors)[Code] extends {
  extras: infer Shape extends z.ZodRawShape
}
  ? z.infer<z.ZodObject<Shape>>
  : Record<never, never>

/** Where a deployment serves the page of a code; relative, so that it holds on every host (RFC 9457 section 3.1.1). */
export const problemType = (code: ErrorCode) => `/docs/errors/${code}.md`

export const isErrorCode = (code: unknown): code is ErrorCode => typeof code === 'string' && Object.hasOwn(errors, code)
