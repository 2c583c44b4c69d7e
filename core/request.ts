import { edgeHeaders } from '#contract/edge-request.ts'
import { parseJson, parsePart } from '#contract/input.ts'
import { Fault } from '#contract/problem.ts'
import type { Route } from '#contract/route.ts'
import { sha256 } from './secrets.ts'

/** A request as it arrived, before anything of it is believed. */
export type RawRequest = {
  readonly method: string
  readonly target: string
  readonly header: (name: string) => string | undefined
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

export type ParsedInput = { readonly params: unknown; readonly query: unknown; readonly body: unknown }

/**
 * Parses every part that the route declares, and tells of all faults of the first part that has any.
 * @throws Fault `invalid_request`, `unsupported_media_type`, `body_too_large`, `malformed_json`
 */
export const parseInput = (route: Route, request: RawRequest): ParsedInput => ({
  params: parsePart(route.params, request.params, 'path'),
  query: parsePart(route.query, request.query, 'query'),
  body:
    route.body &&
    parsePart(route.body, parseJson(request.body, request.header('content-type'), route.bodyBytesMax), 'body'),
})

/** What makes two requests the same request. */
export const fingerprintOf = ({ method, target, body }: RawRequest): string => sha256(method, '\n', target, '\n', body)

/**
 * The revision that `If-Match` names (RFC 9110 section 13.1.1), as this API writes it: `"12"`, or `*`. Undefined where the
 * route asks for none. Another text matches nothing that there is, as a revision is never below zero.
 * @throws Fault `precondition_required`
 */
export const ifMatchOf = ({ precondition }: Route, { header }: RawRequest): number | 'any' | undefined => {
  if (!precondition) return undefined
  const text = header('if-match')
  if (text === undefined)
    throw new Fault('precondition_required', { detail: 'send If-Match with the revision that was read, in quotes' })
  if (text.trim() === '*') return 'any'
  const [, revision] = /^\s*"(\d{1,15})"\s*$/.exec(text) ?? []
  return revision === undefined ? -1 : Number(revision)
}

/** How long a caller without a deadline is served, milliseconds. */
const deadlineDefaultMs = 5_000
const deadlineMaxMs = 30_000
/**
 * How far the clocks of two machines of one deployment may be apart without anything being taken from a deadline. Machines that
 * keep time by NTP are within a few milliseconds of each other.
 */
const clocksApartMaxMs = 50

/**
 * When the caller stops to wait, ms since 1970. What the way has taken is found in the moment of the signature: a deadline is
 * the caller's own and does not begin anew at each hop. A sender whose clock is slow by more than the tolerance loses as much
 * of its time; one whose clock is fast gains nothing, as what was left at the signature is never more than that.
 * @throws Fault `deadline_exceeded` when it has passed
 */
export const deadlineOf = (
  header: RawRequest['header'],
  { nowMs, signedAt }: { readonly nowMs: number; readonly signedAt: number },
): number => {
  const text = header(edgeHeaders.deadline)
  const stated = text !== undefined && /^-?\d{1,9}$/.test(text) ? Number(text) : deadlineDefaultMs
  const remainingMs = Math.min(stated, deadlineMaxMs)
  const deadlineAt = Math.min(nowMs + remainingMs, signedAt + remainingMs + clocksApartMaxMs)
  if (remainingMs <= 0 || deadlineAt <= nowMs) throw new Fault('deadline_exceeded')
  return deadlineAt
}
