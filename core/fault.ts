import { Fault } from '#contract/problem.ts'
import { isLockTimeout, isOutage, isStatementTimeout, isTransient } from '#db/errors.ts'

/** Whatever was thrown as a fault: what the database or a bug threw says no more than the caller may know. */
export const faultOf = (error: unknown): Fault => {
  if (error instanceof Fault) return error
  const cause = error
  if (isOutage(cause)) return new Fault('unavailable', { cause })
  if (isStatementTimeout(cause)) return new Fault('deadline_exceeded', { cause })
  if (isLockTimeout(cause) || isTransient(cause))
    return new Fault('unavailable', { detail: 'too many writes to the same thing', cause })
  return new Fault('internal', { cause })
}
