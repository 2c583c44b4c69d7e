import type { ErrorCode } from './errors.ts'
import { Fault } from './problem.ts'
import type { Route } from './route.ts'

/** Printable ASCII without spaces: every client and proxy passes it on as it is. */
const keyPattern = /^[\x21-\x7e]{1,255}$/

/**
 * The `Idempotency-Key` of a request, or undefined where the route takes none. `absent` gives a key for a route where it is
 * optional and the caller sent none; it is not asked for one where the caller must.
 * @throws Fault `idempotency_key_missing`, `idempotency_key_invalid`
 */
export const idempotencyKeyOf = (
  route: Route,
  sent: string | null | undefined,
  absent: () => string,
): string | undefined => {
  if (route.delivery.kind !== 'forwarded' || route.delivery.idempotencyKey === 'none') return undefined
  if (!sent) {
    if (route.delivery.idempotencyKey === 'optional') return absent()
    throw keyFault('idempotency_key_missing', 'send a new key for each logical call, the same for its retries')
  }
  if (!keyPattern.test(sent))
    throw keyFault('idempotency_key_invalid', '1 to 255 printable ASCII characters without spaces')
  return sent
}

const keyFault = (code: ErrorCode & `idempotency_key_${string}`, detail: string) =>
  new Fault(code, { errors: [{ in: 'header', pointer: '/Idempotency-Key', detail }] })
