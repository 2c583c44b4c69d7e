import type { AttributeType } from '#contract/evaluate/attribute.ts'
import type { FlagsDocument } from '#contract/evaluate/flags-document.ts'

/** Whose flags are asked for, as docs/evaluation.md says it. */
export type ReferenceSubject = {
  readonly context: Readonly<Record<string, unknown>>
  readonly known: Readonly<Record<string, string | undefined>>
  readonly now: number
}

/** The type of an attribute: that of the built-in ones first. */
export const referenceType = (name: string, { attributes }: FlagsDocument): AttributeType => {
  if (name === 'now') return 'time'
  if (['targetingKey', 'player.id', 'edge.country', 'edge.continent'].includes(name)) return 'string'
  return attributes[name]?.type ?? 'string'
}

/** What a subject has of an attribute, as it is compared: undefined where it is missing or of another type. */
export const referenceValue = (name: string, subject: ReferenceSubject, document: FlagsDocument): unknown => {
  if (name === 'now') return subject.now
  const type = referenceType(name, document)
  if (['player.id', 'edge.country', 'edge.continent'].includes(name)) return referenceRead(type, subject.known[name])
  if (ownMembers(subject.context).has(name)) return referenceRead(type, ownMembers(subject.context).get(name))
  let value: unknown = subject.context
  for (const step of name.split('.')) value = ownMembers(value).get(step)
  return referenceRead(type, value)
}

const ownMembers = (value: unknown): ReadonlyMap<string, unknown> =>
  new Map(typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [])

/** A value as its type is compared; undefined for one of another type. */
export const referenceRead = (type: AttributeType, value: unknown): unknown => {
  if (type === 'number')
    return typeof value === 'number' && Math.abs(value) < Number.POSITIVE_INFINITY ? value : undefined
  if (type === 'boolean') return value === true || value === false ? value : undefined
  if (type === 'strings') {
    if (!Array.isArray(value)) return undefined
    return value.slice(0, 1_000).filter((element) => typeof element === 'string')
  }
  if (typeof value !== 'string') return undefined
  if (type === 'string') return value.length > 1_024 ? undefined : value
  if (type === 'time') return readTime(value)
  return readVersion(value)
}

const commonMonths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** Days are counted one year and one month after the other. */
const readTime = (text: string): number | undefined => {
  const found = /^(\d\d\d\d)-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))$/.exec(text)
  if (!found) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = found.slice(1, 7).map(Number)
  const [fraction = '', sign = '+', offsetHour = '00', offsetMinute = '00'] = found.slice(7)
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  const months = commonMonths.map((days, index) => (index === 1 && isLeap ? 29 : days))
  const daysOfMonth = months[month - 1] ?? 0
  if (day < 1 || day > daysOfMonth || hour > 23 || minute > 59 || second > 59) return undefined
  if (Number(offsetHour) > 23 || Number(offsetMinute) > 59) return undefined
  const before = year - 1
  const leapDays = Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400)
  /** From the first day of the year 1 to that of 1970. */
  const daysTo1970 = 719_162
  const daysOfYear = months.slice(0, month - 1).reduce((sum, days) => sum + days, 0)
  const days = before * 365 + leapDays - daysTo1970 + daysOfYear + day - 1
  const offset = (Number(offsetHour) * 60 + Number(offsetMinute)) * (sign === '-' ? -1 : 1)
  const seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset * 60
  return seconds * 1_000 + Number(fraction.padEnd(3, '0').slice(0, 3))
}

/** Numbers, then identifiers, as one list of comparable things. */
export type ReferenceVersion = { readonly core: readonly bigint[]; readonly identifiers: readonly (bigint | string)[] }

const readVersion = (text: string): ReferenceVersion | undefined => {
  if (text.length > 64) return undefined
  const found = /^(\d{1,15})(?:\.(\d{1,15}))?(?:\.(\d{1,15}))?(?:-([0-9A-Za-z.-]+))?(?:\+[\s\S]*)?$/.exec(text)
  if (!found) return undefined
  const core = found.slice(1, 4).filter((part) => part !== undefined)
  const identifiers = found[4] === undefined ? [] : found[4].split('.')
  const isBadNumber = (part: string) => /^\d+$/.test(part) && (part.length > 15 || /^0\d/.test(part))
  if ([...core, ...identifiers].some(isBadNumber) || identifiers.includes('')) return undefined
  return {
    core: [...core, '0', '0'].slice(0, 3).map(BigInt),
    identifiers: identifiers.map((part) => (/^\d+$/.test(part) ? BigInt(part) : part)),
  }
}

/** Below, at or above zero, as the first version is older, equal or newer. */
export const referenceCompare = (a: ReferenceVersion, b: ReferenceVersion): number => {
  for (const [index, part] of a.core.entries()) if (part !== b.core[index]) return part < (b.core[index] ?? 0n) ? -1 : 1
  if (a.identifiers.length === 0 || b.identifiers.length === 0) return b.identifiers.length - a.identifiers.length
  for (const [index, mine] of a.identifiers.entries()) {
    const other = b.identifiers[index]
    if (other === undefined) return 1
    if (mine === other) continue
    if (typeof mine !== typeof other) return typeof mine === 'bigint' ? -1 : 1
    return mine < other ? -1 : 1
  }
  return a.identifiers.length === b.identifiers.length ? 0 : -1
}
