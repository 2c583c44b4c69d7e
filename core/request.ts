import { bodyBytesMax, edgeHeaders } from '#contract/edge-request.ts'
import { Fault, type InputError, inputErrorsOf } from '#contract/problem.ts'
import type { Route } from '#contract/route.ts'
import { sha256 } from './secrets.ts'

/** Arrays and objects inside each other: deeper ones exist only to exhaust the stack of whoever walks them. */
const depthMax = 32

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
  body: route.body && parsePart(route.body, readJson(request), 'body'),
})

const parsePart = (schema: Route['params'], value: unknown, place: InputError['in']): unknown => {
  if (!schema) return undefined
  const result = schema.safeParse(value)
  if (!result.success) throw new Fault('invalid_request', { errors: inputErrorsOf(result.error, place) })
  return result.data
}

/** The body as JSON. @throws Fault `unsupported_media_type`, `body_too_large`, `malformed_json`, `invalid_request` */
export const readJson = ({ header, body }: RawRequest): unknown => {
  if (body.length > bodyBytesMax) throw new Fault('body_too_large', { extras: { limitBytes: bodyBytesMax } })
  const mediaType = header('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (mediaType !== 'application/json') throw new Fault('unsupported_media_type')
  const text = decode(body)
  if (depthOf(text) > depthMax) {
    throw new Fault('invalid_request', {
      errors: [{ in: 'body', pointer: '', detail: `nested deeper than ${depthMax}` }],
    })
  }
  try {
    return JSON.parse(text)
  } catch {
    throw new Fault('malformed_json')
  }
}

const decode = (body: Uint8Array) => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    throw new Fault('malformed_json', { detail: 'the body is not UTF-8' })
  }
}

/** How deep the brackets of a JSON text go, outside of strings; read without recursion. */
const depthOf = (text: string): number => {
  let depth = 0
  let deepest = 0
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (inString) {
      if (char === '\\') at++
      else if (char === '"') inString = false
    } else if (char === '"') inString = true
    else if (char === '{' || char === '[') deepest = Math.max(deepest, ++depth)
    else if (char === '}' || char === ']') depth--
  }
  return deepest
}

/** What makes two requests the same request. */
export const fingerprintOf = ({ method, target, body }: RawRequest): string => sha256(method, '\n', target, '\n', body)

/** How long a caller without a deadline is served, milliseconds. */
const deadlineDefaultMs = 5_000
const deadlineMaxMs = 30_000

/** When the caller stops to wait. @throws Fault `deadline_exceeded` when that has passed */
export const deadlineOf = (header: RawRequest['header'], nowMs: number): number => {
  const text = header(edgeHeaders.deadline)
  const remainingMs = text !== undefined && /^-?\d{1,9}$/.test(text) ? Number(text) : deadlineDefaultMs
  if (remainingMs <= 0) throw new Fault('deadline_exceeded')
  return nowMs + Math.min(remainingMs, deadlineMaxMs)
}
