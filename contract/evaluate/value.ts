import type { FlagType } from './flags-document.ts'

/** A JSON object: no list, and not null. */
export type JsonObject = Readonly<Record<string, unknown>>

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Whether a JSON value is one of a flag's type. Whole numbers stay within 2^53 - 1, so that every language holds them. */
export const isOfType = (type: FlagType, value: unknown): boolean => {
  switch (type) {
    case 'boolean':
    case 'string':
      return typeof value === type
    case 'integer':
      return Number.isSafeInteger(value)
    case 'number':
      return typeof value === 'number' && Number.isFinite(value)
    case 'object':
      return isObject(value)
  }
}
