import { createHmac, timingSafeEqual } from 'node:crypto'
import {
  edgeHeaders,
  type NamedKey,
  parseSignature,
  type Signature,
  signedBytes,
  skewMaxMs,
} from '#contract/edge-request.ts'
import { Fault } from '#contract/problem.ts'

/** What a signature is checked against. */
export type SignedRequest = {
  readonly method: string
  /** Path with query, as received. */
  readonly target: string
  readonly header: (name: string) => string | undefined
  readonly body: Uint8Array
}

/**
 * Lets through only what our own edge sent, as it sent it. One answer for every way to fail: a forger learns nothing.
 * A replay within the skew is let through; a write's own idempotency key takes care of it.
 *
 * Answers its parts. The mac is the same for a request that is sent again as it was, and for no other.
 * @throws Fault `unauthenticated`
 */
export const verifyEdgeSignature = (request: SignedRequest, keys: readonly NamedKey[], nowMs: number): Signature => {
  const signature = parseSignature(request.header(edgeHeaders.signature) ?? '')
  const key = keys.find(({ keyId }) => keyId === signature?.keyId)
  if (!signature || !key) throw new Fault('unauthenticated', { detail: 'the core answers its edge only' })

  const { method, target, header, body } = request
  const bytes = signedBytes({ method, target, header, signedAt: signature.signedAt }, body)
  const expected = createHmac('sha256', key.secret).update(bytes).digest()
  const authentic = timingSafeEqual(expected, Buffer.from(signature.mac, 'hex'))
  if (!authentic || Math.abs(nowMs - signature.signedAt) > skewMaxMs) {
    throw new Fault('unauthenticated', { detail: 'the core answers its edge only' })
  }
  return signature
}
