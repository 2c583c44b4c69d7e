import { bytesOf } from './hash.ts'
import { isObject } from './value.ts'
import { parseVersion } from './version.ts'

/** What rules can compare: a `time` is an RFC 3339 text, a `version` one by semver, `strings` a list. */
export const attributeTypes = ['string', 'number', 'boolean', 'time', 'version', 'strings'] as const
export type AttributeType = (typeof attributeTypes)[number]

/** `level`, or `device.os`: up to five names, from the outside to the inside. */
export const attributePattern = /^[A-Za-z][A-Za-z0-9_-]{0,63}(\.[A-Za-z][A-Za-z0-9_-]{0,63}){0,4}$/

/** Attributes that need no declaration. All but the first are told by who evaluates, whatever the context says. */
export const builtIns: Readonly<Record<string, AttributeType>> = {
  targetingKey: 'string',
  /** When it is evaluated. */
  now: 'time',
  /** Of the session in which the request was made. */
  'player.id': 'string',
  /** Where the request came from, in two letters: a country of ISO 3166-1, a continent as Cloudflare names them. */
  'edge.country': 'string',
  'edge.continent': 'string',
}

/** Names that no document declares and no context sets. */
export const isReserved = (name: string): boolean =>
  Object.hasOwn(builtIns, name) || name.startsWith('edge.') || name.startsWith('player.')

/** Whose flags are asked for: attributes as they arrived, and what is known without being told. */
export type Subject = {
  readonly context: Readonly<Record<string, unknown>>
  readonly known: Readonly<Record<string, string | undefined>>
  /** Milliseconds since 1970. */
  readonly now: number
}

/** A subject, and what is found out about it while rules are tried: each thing once. */
export type Facts = {
  /**
   * By slot of the attribute: its value if it is of its type, else undefined; a time as milliseconds, a version taken apart, a
   * list as a set.
   */
  readonly values: readonly unknown[]
  /** The same of numbers, times and truth values; NaN for all others. */
  readonly numbers: Float64Array
  /** Of texts the numbers that stand for them; below zero for one that no rule names. */
  readonly names: Int32Array
  /** By slot of the audience; undefined until somebody asks. */
  readonly audiences: (boolean | undefined)[]
  /** By slot of the attribute that units are told apart by; undefined until somebody asks, null where there is none. */
  readonly units: (Uint8Array | null | undefined)[]
}

export type Attributes = {
  /** Where the values of a name stand; undefined for one that is not declared. */
  slotOf(name: string): number | undefined
  typeOf(name: string): AttributeType | undefined
  /** The number that stands for a text which a rule names, from now on; the same for the same text. */
  name(text: string): number
  /** Reads every attribute, as most of them are asked for by some rule or other. */
  factsOf(subject: Subject, audiences: number): Facts
  /** The bytes of the unit that an attribute names; null where the subject has none. */
  unit(facts: Facts, slot: number): Uint8Array | null
}

export const createAttributes = (declared: Readonly<Record<string, { readonly type: AttributeType }>>): Attributes => {
  const types = new Map<string, AttributeType>(Object.entries(builtIns))
  for (const [name, { type }] of Object.entries(declared)) if (!types.has(name)) types.set(name, type)
  const names = [...types.keys()]
  const slots = new Map(names.map((name, slot) => [name, slot]))
  const numbersOfTexts = new Map<string, number>()
  const readers = names.map((name) => readerOf(name, types.get(name) ?? 'string'))
  return {
    slotOf: (name) => slots.get(name),
    typeOf: (name) => types.get(name),
    name: (text) => {
      const known = numbersOfTexts.get(text) ?? numbersOfTexts.size
      numbersOfTexts.set(text, known)
      return known
    },
    factsOf: (subject, audiences) => {
      const values = readers.map((read) => read(subject))
      return {
        values,
        numbers: Float64Array.from(values, numberOf),
        names: Int32Array.from(values, (value) => (typeof value === 'string' ? (numbersOfTexts.get(value) ?? -1) : -1)),
        audiences: Array.from<undefined>({ length: audiences }),
        units: Array.from<undefined>({ length: names.length }),
      }
    },
    unit: (facts, slot) => {
      const known = facts.units[slot]
      if (known !== undefined) return known
      const value = facts.values[slot]
      const unit = typeof value === 'string' && value !== '' ? bytesOf(value) : null
      facts.units[slot] = unit
      return unit
    },
  }
}

const numberOf = (value: unknown): number =>
  typeof value === 'number' || typeof value === 'boolean' ? Number(value) : Number.NaN

/** How an attribute is read from a subject. */
const readerOf = (name: string, type: AttributeType): ((subject: Subject) => unknown) => {
  if (name === 'now') return ({ now }) => now
  const parse = parsers[type]
  if (isReserved(name) && name !== 'targetingKey') return ({ known }) => parse(known[name])
  const path = name.split('.')
  return ({ context }) => parse(Object.hasOwn(context, name) ? context[name] : valueAt(context, path))
}

const valueAt = (context: Readonly<Record<string, unknown>>, path: readonly string[]): unknown => {
  let value: unknown = context
  for (const name of path) {
    // A list has no names: its `length` is a member in this language alone.
    if (!isObject(value) || !Object.hasOwn(value, name)) return undefined
    value = value[name]
  }
  return value
}

/** Elements of a list that count; the others are as good as not there. */
const elementsMax = 1_000
/**
 * Code units of a text that can be compared: rules by the thousand look for something in it. A longer one is as good as not
 * there, for if it were cut, two of them could be taken for the same.
 */
const textMax = 1_024

/** A value of the type, or undefined. */
const parsers: Record<AttributeType, (value: unknown) => unknown> = {
  string: (value) => (typeof value === 'string' && value.length <= textMax ? value : undefined),
  number: (value) => (typeof value === 'number' && Number.isFinite(value) ? value : undefined),
  boolean: (value) => (typeof value === 'boolean' ? value : undefined),
  time: (value) => (typeof value === 'string' ? parseTime(value) : undefined),
  version: (value) => (typeof value === 'string' ? parseVersion(value) : undefined),
  strings: (value) =>
    Array.isArray(value)
      ? new Set(value.slice(0, elementsMax).filter((element): element is string => typeof element === 'string'))
      : undefined,
}

const timePattern =
  /^(\d{4})-(\d{2})-(\d{2})T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/

/**
 * Milliseconds since 1970 of an RFC 3339 time, what is finer left out; undefined for any other text. Nothing is put right that
 * a calendar or a clock does not have, as `Date.parse` would do with a 30th of February: no two languages do it alike.
 */
export const parseTime = (text: string): number | undefined => {
  const [, year, month, day] = timePattern.exec(text) ?? []
  if (day === undefined || Number(day) > daysOf(Number(year), Number(month))) return undefined
  const time = Date.parse(text)
  return Number.isNaN(time) ? undefined : time
}

/** Days of a month. Calendars repeat after 400 years, and the first hundred would be taken for the twentieth century. */
const daysOf = (year: number, month: number): number => new Date(Date.UTC(2_000 + (year % 400), month, 0)).getUTCDate()
