/** One event on its way: CloudEvents attributes, and the data as it is sent. */
export type BusMessage = {
  /** Messages of one key are delivered in the order in which they were published, as long as none is redelivered. */
  readonly orderingKey: string
  readonly attributes: Readonly<Record<string, string>>
  readonly data: Uint8Array
}

/**
 * The topic of all events, that of what cells tell each other and nobody else, and that of the messages that somebody could
 * not take.
 */
export type BusTopic = 'events' | 'replication' | 'dead-letters'

/** A message, and the topic that it is for: that of all events where it is absent. */
export type AddressedMessage = BusMessage & { readonly topic?: Exclude<BusTopic, 'dead-letters'> }

export type Subscriber = {
  readonly topic: BusTopic
  /** The subscription's name: two processes that share it share the messages. */
  readonly name: string
  /** Rejects when it could not take the message, which then comes again. */
  readonly handle: (message: BusMessage) => Promise<void>
  /** Rejects while what `handle` works on is away: then its failures say nothing of the message. */
  readonly available: () => Promise<void>
}

/** A message that a subscriber refused to the end. */
export type DeadLetter = {
  readonly subscription: string
  readonly message: BusMessage
  /** Of the last error: its name and message. */
  readonly reason: string
  readonly attempts: number
}

export type EventBus = {
  /** For each message, whether it is durably with the bus. Never rejects; bounded in time. */
  publish(messages: readonly AddressedMessage[]): Promise<boolean[]>
  /** Starts to deliver, at least once. */
  subscribe(subscriber: Subscriber): Promise<void>
  /** Puts a message on the topic of dead letters. Rejects when it could not. */
  bury(letter: DeadLetter): Promise<void>
  /** Resolves when the bus answers. */
  ping(): Promise<void>
  /**
   * Ends all subscriptions: nothing more is delivered. Resolves when the handlers that ran are done, or their messages given back.
   * What publishes goes on, as far as it needs nobody in this process. Called twice it waits for the same end.
   */
  unsubscribe(): Promise<void>
  /** Ends the subscriptions too, where nobody has, and then everything else. */
  close(): Promise<void>
}

const letterAttributes = {
  subscription: 'perigee-dead-letter-subscription',
  reason: 'perigee-dead-letter-reason',
  attempts: 'perigee-dead-letter-attempts',
} as const

/** What Pub/Sub itself adds where it gave up on a message, as it does when the message kills who takes it. */
const brokerAttributes = {
  subscription: 'CloudPubSubDeadLetterSourceSubscription',
  attempts: 'CloudPubSubDeadLetterSourceDeliveryCount',
} as const

/** Pub/Sub takes attribute values of up to 1,024 bytes; a character of a reason has at most three after the cleaning. */
const reasonCharactersMax = 300

/** A dead letter as a message. It has no ordering key: what is dead waits for nobody. */
export const encodeDeadLetter = ({ subscription, message, reason, attempts }: DeadLetter): BusMessage => ({
  orderingKey: '',
  attributes: {
    ...message.attributes,
    [letterAttributes.subscription]: subscription,
    [letterAttributes.reason]: reason.replace(/[^\x20-\x7e]+/g, ' ').slice(0, reasonCharactersMax),
    [letterAttributes.attempts]: String(attempts),
  },
  data: message.data,
})

/** The inverse of `encodeDeadLetter`, for letters of subscribers and of Pub/Sub itself; the original ordering key is lost. */
export const parseDeadLetter = ({ attributes, data }: BusMessage): DeadLetter => {
  const added = new Set<string>([...Object.values(letterAttributes), ...Object.values(brokerAttributes)])
  const original = Object.entries(attributes).filter(([name]) => !added.has(name))
  return {
    subscription: attributes[letterAttributes.subscription] ?? attributes[brokerAttributes.subscription] ?? 'unknown',
    reason: attributes[letterAttributes.reason] ?? 'Pub/Sub gave up on it',
    attempts: Number(attributes[letterAttributes.attempts] ?? attributes[brokerAttributes.attempts] ?? 0),
    message: { orderingKey: '', attributes: Object.fromEntries(original), data },
  }
}
