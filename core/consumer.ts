import type { LeavingType } from '#contract/replication.ts'
import type { Database, Tx } from '#db/client.ts'
import { isLockTimeout, isTransient } from '#db/errors.ts'
import { insertReceipt, raiseConsumerVersion } from '#db/inbox.ts'
import type { OnRefused } from '#infra/deliver.ts'
import type { Subscriber } from '#infra/event-bus.ts'
import type { Log } from '#infra/log.ts'
import { parseEvent, type ReceivedEvent } from './cloud-event.ts'

/** Each costs half a second where a lock is not had. */
const attemptsMax = 5

/** What takes events, under a name that is its own in the cell; the subscription is named after it. */
export type Consumer = Pick<Subscriber, 'handle' | 'available'> & { readonly name: string }

export type ConsumerOptions<Type extends LeavingType> = {
  readonly name: string
  /** Events of other types are passed over. */
  readonly types: readonly Type[]
  readonly database: Database
  readonly clock: () => number
  /** Everything that it writes through `tx` commits with the mark that it was done. It may run again after a failure. */
  readonly apply: (tx: Tx, event: ReceivedEvent<Type>) => Promise<void>
}

/**
 * A consumer of facts: what it does for an event (a reward, a message) it does once, however often the event is delivered and
 * however late. The inbox row commits with the effect.
 */
export const consumeFacts = <Type extends LeavingType>(options: ConsumerOptions<Type>): Consumer =>
  consume(options, (tx, { eventId }) =>
    insertReceipt(tx, { consumer: options.name, eventId, now: new Date(options.clock()) }),
  )

/**
 * A consumer of state: it keeps what an aggregate was last known to be (a copy, a count), so an event that is not newer than
 * what it has seen is passed over, whether it comes twice or late. The version commits with the state.
 */
export const consumeState = <Type extends LeavingType>(options: ConsumerOptions<Type>): Consumer =>
  consume(options, (tx, { aggregate, version }) =>
    raiseConsumerVersion(tx, { consumer: options.name, aggregate, version }),
  )

const consume = <Type extends LeavingType>(
  { name, types, database, apply }: ConsumerOptions<Type>,
  isNew: (tx: Tx, event: ReceivedEvent<Type>) => Promise<boolean>,
): Consumer => ({
  name,
  available: database.ping,
  handle: async (message) => {
    const event = parseEvent(message, types)
    if (!event) return
    await contended(() =>
      database.db.transaction(async (tx) => {
        if (await isNew(tx, event)) await apply(tx, event)
      }),
    )
  },
})

/** Two deliveries of one event may meet, which says nothing of the event: whoever loses comes again, a few times here. */
const contended = async (work: () => Promise<void>): Promise<void> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt === attemptsMax || !(isLockTimeout(error) || isTransient(error))) throw error
    }
  }
}

/** Tells of refused messages in the log: which, by whom, why, and what then happens to it; never what it held. */
export const logRefusals =
  (log: Log): OnRefused =>
  ({ subscription, message: { attributes }, attempt, error, next }) =>
    log.error('an event was refused', error, {
      subscription,
      eventId: attributes['ce-id'],
      type: attributes['ce-type'],
      trace: attributes['ce-traceparent']?.split('-')[1],
      attempt,
      next,
    })
