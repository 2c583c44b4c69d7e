import type { OutboxRow } from '#db/outbox.ts'
import type { BusMessage, Subscriber } from '#infra/event-bus.ts'
import type { Telemetry } from '#infra/telemetry.ts'
import { occurredAtOf } from './cloud-event.ts'
import { metrics } from './metrics.ts'

/** Runs the publishing of a batch, and answers what it answers: for each event, whether the bus has it. */
export type WatchPublishing = (
  batch: readonly Pick<OutboxRow, 'eventId' | 'type' | 'traceparent'>[],
  publish: () => Promise<boolean[]>,
) => Promise<boolean[]>

/** For where nobody watches. */
export const unwatchedPublishing: WatchPublishing = (_, publish) => publish()

const systemOf = (direct: boolean) => (direct ? 'perigee_direct' : 'gcp_pubsub')

/** A span for each event that leaves, as a part of the request that made it; and how many left. */
export const createWatchPublishing = (
  telemetry: Telemetry,
  { direct }: { readonly direct: boolean },
): WatchPublishing => {
  if (!telemetry.enabled) return unwatchedPublishing
  const published = telemetry.counter(metrics.published)
  return async (batch, publish) => {
    const spans = batch.map(({ eventId, type, traceparent }) =>
      telemetry.startSpan(`publish ${type}`, {
        kind: 'producer',
        parent: traceparent,
        attributes: {
          'messaging.system': systemOf(direct),
          'messaging.operation.name': 'publish',
          'messaging.operation.type': 'send',
          'messaging.message.id': eventId,
          'cloudevents.event_type': type,
        },
      }),
    )
    const taken = await publish()
    for (const [at, span] of spans.entries()) span?.end(taken[at] ? undefined : 'unavailable')
    const count = taken.filter(Boolean).length
    if (count > 0) published(count, { 'perigee.outcome': 'taken' })
    if (count < taken.length) published(taken.length - count, { 'perigee.outcome': 'refused' })
    return taken
  }
}

/**
 * A subscriber whose deliveries are seen: each as a span of the trace that its event came with, and measured by consumer.
 * @param consumer what the cell calls it, whatever its subscription is named
 */
export const watchSubscriber = (
  telemetry: Telemetry,
  subscriber: Subscriber,
  { consumer, direct, clock }: { readonly consumer: string; readonly direct: boolean; readonly clock: () => number },
): Subscriber => {
  if (!telemetry.enabled) return subscriber
  const ofConsumer = { 'perigee.consumer': consumer }
  const lag = telemetry.histogram(metrics.consumerLag, seconds)(ofConsumer)
  const consumed = telemetry.counter(metrics.consumed)
  const begin = ({ attributes }: BusMessage) =>
    telemetry.startSpan(`process ${consumer}`, {
      kind: 'consumer',
      parent: attributes['ce-traceparent'] ?? '',
      attributes: {
        'messaging.system': systemOf(direct),
        'messaging.operation.name': 'process',
        'messaging.operation.type': 'process',
        'messaging.destination.name': subscriber.topic,
        'messaging.destination.subscription.name': subscriber.name,
        ...(attributes['ce-id'] === undefined ? {} : { 'messaging.message.id': attributes['ce-id'] }),
        ...(attributes['ce-type'] === undefined ? {} : { 'cloudevents.event_type': attributes['ce-type'] }),
        ...ofConsumer,
      },
    })
  return {
    ...subscriber,
    handle: async (message) => {
      const span = begin(message)
      try {
        await telemetry.within(span, () => subscriber.handle(message))
        span?.end()
        consumed(1, { ...ofConsumer, 'perigee.outcome': 'taken' })
        const lagMs = clock() - occurredAtOf(message)
        if (lagMs >= 0) lag(lagMs / 1_000)
      } catch (error) {
        span?.end(error instanceof Error ? error.name : 'error')
        consumed(1, { ...ofConsumer, 'perigee.outcome': 'failed' })
        throw error
      }
    },
  }
}

/** From a relay's turn to what an outage leaves behind. */
const seconds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800]
