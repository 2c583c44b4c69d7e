import * as z from 'zod'

/** A time on the wire: RFC 3339, UTC, milliseconds. */
export const timeSchema = z.iso.datetime({
  precision: 3,
  error: 'not a time in UTC with milliseconds, such as 2026-12-01T09:00:00.000Z',
})

/** A balance: a whole number from 0 to 2^53 - 1, so that every client language holds it exactly. */
export const balanceSchema = z.int().nonnegative()

const unprintable = /[\p{Cc}\p{Cs}]/u

/** Control characters (Postgres refuses NUL, logs break on the others) and halves of a surrogate pair are not printable. */
export const isPrintable = (text: string): boolean => !unprintable.test(text)

/**
 * Text that a person reads: `min` to `max` characters (UTF-16 units), printable, no space at either end.
 */
export const textSchema = ({ min, max }: { readonly min: number; readonly max: number }) =>
  z
    .string()
    .min(min)
    .max(max)
    .refine(isPrintable, 'control characters and lone surrogates are not allowed')
    .refine((text) => text.trim() === text, 'no white space at the start or the end')

/** A currency's code, as declared by the deployment. */
export const currencyCodeSchema = z.string().regex(/^[a-z][a-z0-9_]{0,31}$/, 'not a currency code such as coins')

/** Bytes of a metadata object as JSON text. Small enough to ride along in every profile that is read. */
export const metadataBytesMax = 8_192

/**
 * A JSON object of the game's own, at most 8 KiB as text. Strings must be storable (no NUL, no lone surrogate), whole
 * numbers exact (within 2^53 - 1): what could not come back as it was sent is refused, never rounded.
 */
export const metadataSchema = z
  .custom<Record<string, unknown>>(isStorableObject, 'not a JSON object that can be stored exactly')
  .refine(
    (value) => new TextEncoder().encode(JSON.stringify(value)).length <= metadataBytesMax,
    `more than ${metadataBytesMax} bytes`,
  )
  .meta({ id: 'Metadata', type: 'object', additionalProperties: true })

/** Whether a value is a JSON object that Postgres stores and every client reads back as it was sent. */
export function isStorableObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && isStorable(value)
}

function isStorable(value: unknown): boolean {
  switch (typeof value) {
    case 'string':
      return isStorableText(value)
    case 'number':
      return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))
    case 'object':
      if (value === null) return true
      if (Array.isArray(value)) return value.every(isStorable)
      return Object.entries(value).every(
        ([key, member]) => key !== '__proto__' && isStorableText(key) && isStorable(member),
      )
    default:
      return typeof value === 'boolean'
  }
}

const isStorableText = (text: string) => !text.includes('\0') && text.isWellFormed()
