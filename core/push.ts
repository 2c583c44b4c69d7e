import * as z from 'zod'
import { Fault } from '#contract/problem.ts'
import { deliver, type OnRefused } from '#infra/deliver.ts'
import type { EventBus, Subscriber } from '#infra/event-bus.ts'
import type { PushHeaders, PushVerifier } from '#infra/push-identity.ts'

/** Pub/Sub takes messages of ten million bytes, and a published document may be almost as large; base64 adds a third. */
export const pushBytesMax = 16 * 1_024 * 1_024
/** Messages in hand at once, as many as a consumer that pulls holds; each may wait for what its consumer works on. */
const pushesMax = 500
/** How long a push waits for what its consumer works on; then Pub/Sub sends it again, more slowly each time. */
const holdMaxMs = 5_000

/** @see https://cloud.google.com/pubsub/docs/push#receive_push */
const envelopeSchema = z.object({
  message: z.object({
    attributes: z.record(z.string(), z.string()).default({}),
    data: z.base64().default(''),
    orderingKey: z.string().default(''),
  }),
  /** `projects/…/subscriptions/<name>` */
  subscription: z.string(),
  deliveryAttempt: z.int().positive().default(1),
})

export type PushReceiver = (request: {
  readonly header: PushHeaders
  /** Called once it is known that Pub/Sub sends it: nobody else has a core read that much. */
  readonly readBody: (bytesMax: number) => Promise<Uint8Array>
}) => Promise<void>

/**
 * Takes one message that Pub/Sub pushed. Resolves when it is done with, so that Pub/Sub may forget it.
 *
 * The receiver throws Fault `unauthenticated` for anybody but Pub/Sub's own account, `malformed_json` or `invalid_request` for what
 * is no envelope, `not_found` for a subscription that is not ours, `unavailable` when the message has to come again, `overloaded` when
 * too many are in hand.
 */
export const createPushReceiver = (options: {
  readonly verify: PushVerifier
  readonly subscribers: readonly Subscriber[]
  readonly bus: EventBus
  readonly onRefused: OnRefused
  readonly signal: AbortSignal
}): PushReceiver => {
  const { verify, subscribers, bus, onRefused, signal } = options
  const receive: PushReceiver = async ({ header, readBody }) => {
    if (!(await verify(header).catch(unavailable))) throw new Fault('unauthenticated')
    const { message, subscription, deliveryAttempt } = parseEnvelope(await readBody(pushBytesMax))
    const subscriber = subscribers.find(({ name }) => subscription.endsWith(`/subscriptions/${name}`))
    if (!subscriber) throw new Fault('not_found')
    const done = await deliver(subscriber, {
      message: { ...message, data: Buffer.from(message.data, 'base64') },
      attempt: deliveryAttempt,
      bury: bus.bury,
      holdMaxMs,
      signal,
      onRefused,
    })
    if (!done) throw new Fault('unavailable', { detail: 'the message has to come again' })
  }
  let inHand = 0
  return async (request) => {
    if (inHand >= pushesMax) throw new Fault('overloaded')
    inHand++
    try {
      await receive(request)
    } finally {
      inHand--
    }
  }
}

const unavailable = (cause: unknown): never => {
  throw new Fault('unavailable', { cause })
}

const parseEnvelope = (body: Uint8Array) => {
  const result = envelopeSchema.safeParse(parseJson(body))
  if (!result.success) throw new Fault('invalid_request', { detail: 'not an envelope of Pub/Sub' })
  return result.data
}

const parseJson = (body: Uint8Array): unknown => {
  try {
    return JSON.parse(new TextDecoder().decode(body))
  } catch {
    throw new Fault('malformed_json')
  }
}
