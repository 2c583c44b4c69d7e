import { encodeMoved, parseMoved } from '#contract/edge-request.ts'
import type { Moved } from '#contract/events.ts'
import { type EventId, eventIdSchema } from '#contract/ids.ts'
import { isReplicaType, type LeavingData, type LeavingType, leaving } from '#contract/replication.ts'
import type { OutboxRow } from '#db/outbox.ts'
import type { AddressedMessage, BusMessage } from '#infra/event-bus.ts'

/** When what an event tells of happened, ms since 1970. */
export const occurredAtOf = ({ attributes }: BusMessage): number => Date.parse(attributes['ce-time'] ?? '')

/** Says that an event goes to one subscription again, and that all others have seen it. */
const redrivenFor = 'perigee-redriven-for'

/** An event as a consumer is given it. */
export type ReceivedEvent<Type extends LeavingType = LeavingType> = {
  [T in Type]: {
    readonly eventId: EventId
    readonly type: T
    /** What it is about; versions of one aggregate only grow. */
    readonly aggregate: string
    readonly version: number
    readonly traceparent: string
    readonly data: LeavingData<T>
  }
}[Type]

/**
 * An event as it leaves: CloudEvents 1.0 in binary mode. Extensions: `aggregateversion` (gate on it), `moved` (tags whose
 * version moved), `traceparent`. @see https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/pubsub-protocol-binding.md
 */
export const toMessage = (source: string, event: OutboxRow): AddressedMessage => ({
  topic: isReplicaType(event.type) ? 'replication' : 'events',
  orderingKey: event.aggregate,
  attributes: {
    'ce-specversion': '1.0',
    'ce-id': event.eventId,
    'ce-source': source,
    'ce-type': event.type,
    'ce-subject': event.aggregate,
    'ce-time': event.occurredAt.toISOString(),
    ...(isReplicaType(event.type) ? {} : { 'ce-dataschema': `/events.json#/$defs/${event.type}` }),
    'ce-aggregateversion': String(event.version),
    'ce-traceparent': event.traceparent,
    ...(event.moved.length > 0 ? { 'ce-moved': encodeMoved(event.moved) } : {}),
    ...(event.redrivenFor === null ? {} : { [redrivenFor]: event.redrivenFor }),
    'content-type': 'application/json',
  },
  data: new TextEncoder().encode(JSON.stringify(event.data)),
})

/** Whether a message is for a subscription: all are, but what was redriven for another one. */
export const isFor = ({ attributes }: BusMessage, subscription: string): boolean =>
  (attributes[redrivenFor] ?? subscription) === subscription

/** The tags that an event moved; none for most. */
export const movedBy = (message: BusMessage): Moved[] => parseMoved(message.attributes['ce-moved'] ?? '')

/**
 * A message as one of the events of these types; undefined when it is of another type, be it one that this version does not
 * know yet. @throws Error when it is of such a type and does not fit the type's schema
 */
export const parseEvent = <Type extends LeavingType>(
  { attributes, data }: BusMessage,
  types: readonly Type[],
): ReceivedEvent<Type> | undefined => {
  const type = types.find((known) => known === attributes['ce-type'])
  if (type === undefined) return undefined
  const version = Number(attributes['ce-aggregateversion'])
  const aggregate = attributes['ce-subject']
  if (!Number.isSafeInteger(version) || !aggregate) throw new Error('an event without subject or version')
  const text = new TextDecoder('utf-8', { fatal: true }).decode(data)
  const event = {
    eventId: eventIdSchema.parse(attributes['ce-id']),
    type,
    aggregate,
    version,
    traceparent: attributes['ce-traceparent'] ?? '',
    data: leaving[type].data.parse(JSON.parse(text)),
  }
  // The data was parsed with the schema of this very type.
  return event as unknown as ReceivedEvent<Type>
}
