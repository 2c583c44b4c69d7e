import * as z from 'zod'

/** A cell's code: two to six letters and a number, `eu1`. It is part of ids, so it never changes. */
export type Cell = string & z.$brand<'Cell'>

const cellPattern = '[a-z]{2,6}[0-9]{1,2}'

export const cellSchema = z
  .string()
  .regex(new RegExp(`^${cellPattern}$`), 'not a cell code such as eu1')
  .brand<'Cell'>()

const prefixes = {
  player: 'ply',
  session: 'ses',
  transaction: 'txn',
  event: 'evt',
  key: 'key',
  operator: 'opr',
  audit: 'aud',
} as const

type IdKind = keyof typeof prefixes

/** Crockford's alphabet in lower case: no i, l, o or u. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'
const timeLength = 10
const randomLength = 16

const idSchema = <Kind extends IdKind>(kind: Kind) =>
  z
    .string()
    .regex(
      new RegExp(`^${prefixes[kind]}_${cellPattern}_[${alphabet}]{${timeLength + randomLength}}$`),
      `not a ${kind} id`,
    )
    .brand<Kind>()

/** `ply_eu1_01jd…`: prefix, home cell, then 48 bits of milliseconds and 80 random bits in Crockford's base 32 (a ULID). */
export const playerIdSchema = idSchema('player')
export const sessionIdSchema = idSchema('session')
export const transactionIdSchema = idSchema('transaction')
export const eventIdSchema = idSchema('event')
export const keyIdSchema = idSchema('key')
export const operatorIdSchema = idSchema('operator')
export const auditIdSchema = idSchema('audit')

export type PlayerId = z.infer<typeof playerIdSchema>
export type SessionId = z.infer<typeof sessionIdSchema>
export type TransactionId = z.infer<typeof transactionIdSchema>
export type EventId = z.infer<typeof eventIdSchema>
export type KeyId = z.infer<typeof keyIdSchema>
export type OperatorId = z.infer<typeof operatorIdSchema>
export type AuditId = z.infer<typeof auditIdSchema>

type IdOf = {
  player: PlayerId
  session: SessionId
  transaction: TransactionId
  event: EventId
  key: KeyId
  operator: OperatorId
  audit: AuditId
}

/** A new id, unique without coordination and ordered by time to the millisecond. `nowMs` is milliseconds since 1970. */
export const newId = <Kind extends IdKind>(kind: Kind, cell: Cell, nowMs: number): IdOf[Kind] => {
  const random = crypto.getRandomValues(new Uint8Array(randomLength))
  const tail = Array.from(random, (byte) => alphabet[byte & 31]).join('')
  return `${prefixes[kind]}_${cell}_${encodeTime(nowMs)}${tail}` as IdOf[Kind]
}

/** The least and the greatest id that could have been made in a millisecond: one that was stands between them. */
export const idsOfMoment = <Kind extends IdKind>(
  kind: Kind,
  cell: Cell,
  ms: number,
): { readonly first: string; readonly last: string } => {
  const head = `${prefixes[kind]}_${cell}_${encodeTime(ms)}`
  return { first: head + '0'.repeat(randomLength), last: head + 'z'.repeat(randomLength) }
}

const encodeTime = (ms: number) => {
  let rest = ms
  let text = ''
  for (let digit = 0; digit < timeLength; digit++) {
    text = alphabet.charAt(rest % 32) + text
    rest = Math.floor(rest / 32)
  }
  return text
}

/** The home cell that an id names. The id must have passed its schema. */
export const cellOf = (id: PlayerId | SessionId | KeyId): Cell => id.slice(4, id.indexOf('_', 4)) as Cell
