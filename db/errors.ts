/** The SQLSTATE, or postgres.js's own code, of what a query threw; undefined for anything else. */
export const databaseErrorCode = (error: unknown): string | undefined => {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && typeof cause.code === 'string') return cause.code
  }
  return undefined
}

/** What a network says, or does not say, when there is nobody behind it: no word from a server. */
const silences = new Set([
  'CONNECT_TIMEOUT',
  'CONNECTION_DESTROYED',
  'CONNECTION_ENDED',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
])

const outages = new Set([
  ...silences,
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'CONNECTION_CLOSED',
  '57P01',
  '57P02',
  '57P03',
  '53300',
  '25006',
])

/** Whether the database could not be reached, is starting or stopping, takes no writes (a failover), or has no connection left. */
export const isOutage = (error: unknown): boolean => outages.has(databaseErrorCode(error) ?? '')

/** Whether what a query threw came from the server or its machine, be it a refusal; false where nobody has answered. */
export const isWord = (error: unknown): boolean => {
  const code = databaseErrorCode(error)
  return code !== undefined && !silences.has(code)
}

/** Whether a transaction lost against another and may be tried again: serialization failure or deadlock. */
export const isTransient = (error: unknown): boolean => ['40001', '40P01'].includes(databaseErrorCode(error) ?? '')

/** Whether a lock was not had within `lock_timeout`. */
export const isLockTimeout = (error: unknown): boolean => databaseErrorCode(error) === '55P03'

/** Whether a statement was cancelled for taking too long, or not begun because its caller's deadline had passed. */
export const isStatementTimeout = (error: unknown): boolean => databaseErrorCode(error) === queryCanceled

const queryCanceled = '57014'

/** What is not begun because its caller no longer waits: the same to everybody as a statement that the server cancelled then. */
export class DeadlinePassed extends Error {
  readonly code = queryCanceled

  constructor() {
    super('the deadline passed before the statement was sent')
  }
}

type UnreachableCode = 'ETIMEDOUT' | '53300' | 'CONNECTION_CLOSED' | 'CONNECTION_DESTROYED' | 'CONNECTION_ENDED'

/** An outage that no system call reports. */
export class Unreachable extends Error {
  readonly code: string

  constructor(message: string, code: UnreachableCode = 'ETIMEDOUT') {
    super(message)
    this.code = code
  }
}
