import type * as z from 'zod'
import { bodyBytesMax } from './edge-request.ts'
import { Fault, type InputError, inputErrorsOf } from './problem.ts'

/** Arrays and objects inside each other: deeper ones exist only to exhaust the stack of whoever walks them. */
const depthMax = 32

/**
 * What a part of a request says, or undefined where the route takes none.
 * @throws Fault `invalid_request` that tells of all its faults
 */
export const parsePart = <Schema extends z.ZodObject>(
  schema: Schema | undefined,
  value: unknown,
  place: InputError['in'],
): z.output<Schema> | undefined => {
  const result = schema?.safeParse(value)
  if (result && !result.success) throw new Fault('invalid_request', { errors: inputErrorsOf(result.error, place) })
  return result?.data
}

/**
 * A body of at most `bytesMax` as JSON, before any schema has seen it; the same on edge and core.
 * @throws Fault `body_too_large`, `unsupported_media_type`, `invalid_request` (nested too deep), `malformed_json`
 */
export const parseJson = (body: Uint8Array, contentType: string | undefined, bytesMax = bodyBytesMax): unknown => {
  if (body.length > bytesMax) throw new Fault('body_too_large', { extras: { limitBytes: bytesMax } })
  const mediaType = contentType?.split(';')[0]?.trim().toLowerCase()
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

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })

const decode = (body: Uint8Array) => {
  try {
    return decoder.decode(body)
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
