import { encodeMoved, parseMoved } from '#contract/edge-request.ts'
import type { Moved } from '#contract/events.ts'
import type { Cell } from '#contract/ids.ts'
import type { OutboxRow } from '#db/outbox.ts'
import type { BusMessage } from '#infra/event-bus.ts'

/**
 * An event as it leaves: CloudEvents 1.0 in binary mode. Extensions: `aggregateversion` (gate on it), `moved` (tags whose
 * version moved), `traceparent`. @see https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/pubsub-protocol-binding.md
 */
export const toMessage = (cell: Cell, event: OutboxRow): BusMessage => ({
  orderingKey: event.aggregate,
  attributes: {
    'ce-specversion': '1.0',
    'ce-id': event.eventId,
    'ce-source': `/cells/${cell}`,
    'ce-type': event.type,
    'ce-subject': event.aggregate,
    'ce-time': event.occurredAt.toISOString(),
    'ce-aggregateversion': String(event.version),
    'ce-traceparent': event.traceparent,
    ...(event.moved.length > 0 ? { 'ce-moved': encodeMoved(event.moved) } : {}),
    'content-type': 'application/json',
  },
  data: JSON.stringify(event.data),
})

/** The tags that an event moved; none for most. */
export const movedBy = (message: BusMessage): Moved[] => parseMoved(message.attributes['ce-moved'] ?? '')
