import { Duration, type Message, PubSub, type Subscription, type Topic } from '@google-cloud/pubsub'
import { deliver, type OnRefused } from './deliver.ts'
import { type BusMessage, type BusTopic, type EventBus, encodeDeadLetter } from './event-bus.ts'
import { withTimeLimit } from './time-limit.ts'

export type PubSubOptions = {
  readonly projectId: string
  readonly topics: Readonly<Record<BusTopic, string>>
  /** `host:port` of an emulator: no credentials are looked for, and topics and subscriptions are made when they are missing. */
  readonly emulatorHost: string | undefined
  /** Told of what went wrong between us and Pub/Sub, once a batch. */
  readonly onError: (error: Error) => void
  readonly onRefused: OnRefused
}

/** A batch that Pub/Sub has not taken by then stays in the outbox. */
const publishTimeoutMs = 5_000
/** Messages that one process holds unacknowledged: enough to keep a consumer busy, little to redeliver after a crash. */
const outstandingMax = 500
/** Within what a stop may take: handlers that run get this, and what they have not done by then is given back. */
const closeMaxMs = 4_000
/**
 * When Pub/Sub itself gives up, above `deliveriesMax`: only a message that kills its subscriber gets so far. The policy also makes
 * Pub/Sub count deliveries. (The emulator counts, and breaks the stream when the number is reached, so it is the highest.)
 */
const brokerDeliveriesMax = 100
const alreadyExists = 6
const permissionDenied = 7

/** Google Pub/Sub with ordering keys. Against the real service Terraform makes topics and subscriptions. */
export const createPubSub = (options: PubSubOptions): EventBus => {
  const { emulatorHost, onError } = options
  // With an emulator there is no Google machine to ask for credentials, and asking takes seconds and a warning.
  if (emulatorHost) process.env.METADATA_SERVER_DETECTION ??= 'none'
  const client = new PubSub({
    projectId: options.projectId,
    ...(emulatorHost ? { apiEndpoint: emulatorHost, emulatorMode: true } : {}),
  })
  const topicOf = (name: BusTopic) =>
    client.topic(options.topics[name], {
      messageOrdering: true,
      batching: { maxMessages: 100, maxMilliseconds: 2 },
      gaxOpts: { timeout: publishTimeoutMs, retry: null },
    })
  const topics = {
    events: topicOf('events'),
    replication: topicOf('replication'),
    'dead-letters': topicOf('dead-letters'),
  }
  const subscriptions: Subscription[] = []
  const closing = new AbortController()
  const ready = emulatorHost
    ? once(async () => {
        for (const topic of Object.values(topics)) await ignoreExisting(topic.create())
      })
    : async () => {}

  const bury: EventBus['bury'] = async (letter) => {
    const failure = await publishOne(topics['dead-letters'], encodeDeadLetter(letter))
    if (!failure) return
    onError(failure)
    throw failure
  }

  const unsubscribe = async () => {
    closing.abort()
    await Promise.allSettled(subscriptions.map((subscription) => subscription.close()))
  }

  return {
    publish: async (messages) => {
      try {
        await bounded(ready())
      } catch (error) {
        onError(toError(error))
        return messages.map(() => false)
      }
      const failures = await Promise.all(
        messages.map((message) => publishOne(topics[message.topic ?? 'events'], message)),
      )
      const [failure] = failures.filter((error) => error !== undefined)
      if (failure) onError(failure)
      return failures.map((error) => error === undefined)
    },
    subscribe: async (subscriber) => {
      const topic = topics[subscriber.topic]
      if (emulatorHost) {
        await ready()
        const deadLetterTopic = `projects/${options.projectId}/topics/${options.topics['dead-letters']}`
        await ignoreExisting(
          // The client's object forgets its options when it is created, so another one takes the messages.
          topic.subscription(subscriber.name).create({
            enableMessageOrdering: true,
            ackDeadlineSeconds: 10,
            retryPolicy: { minimumBackoff: { nanos: 100_000_000 }, maximumBackoff: { seconds: 10 } },
            deadLetterPolicy: { deadLetterTopic, maxDeliveryAttempts: brokerDeliveriesMax },
          }),
        )
      }
      const subscription = topic.subscription(subscriber.name, {
        flowControl: { maxMessages: outstandingMax },
        closeOptions: { behavior: 'WAIT', timeout: Duration.from({ milliseconds: closeMaxMs }) },
      })
      subscription.on('error', onError)
      subscription.on('message', (message: Message) => {
        const { orderingKey = '', attributes, data, deliveryAttempt: attempt } = message
        void deliver(subscriber, {
          message: { orderingKey, attributes, data },
          attempt,
          bury,
          holdMaxMs: Number.POSITIVE_INFINITY,
          signal: closing.signal,
          onRefused: options.onRefused,
        }).then((done) => (done ? message.ack() : message.nack()))
      })
      subscriptions.push(subscription)
    },
    bury,
    ping: async () => {
      await bounded(ready())
      try {
        await bounded(topics.events.getMetadata({ timeout: publishTimeoutMs, retry: null }))
      } catch (error) {
        // Who may publish may not be allowed to look; a no is an answer.
        if (!hasCode(error, permissionDenied)) throw error
      }
    },
    unsubscribe,
    close: async () => {
      await unsubscribe()
      await bounded(client.close()).catch(onError)
    },
  }
}

/** Why Pub/Sub did not take a message; undefined when it did. */
const publishOne = async (topic: Topic, { orderingKey, attributes, data }: BusMessage): Promise<Error | undefined> => {
  // The client looks for a placeholder in every member of what it is given, and knows only a Buffer to have none: of a document of
  // four million bytes as a plain array that took a second and a half of the loop.
  const buffer = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  try {
    await bounded(topic.publishMessage({ orderingKey, attributes: { ...attributes }, data: buffer }))
    return undefined
  } catch (error) {
    // After a failure the client refuses the key until it is told that the order is in hand again: the outbox has it.
    topic.resumePublishing(orderingKey)
    return toError(error)
  }
}

const bounded = <Result>(work: Promise<Result>): Promise<Result> =>
  withTimeLimit(work, publishTimeoutMs, () => new Error(`no answer from Pub/Sub within ${publishTimeoutMs} ms`))

/** Runs `work` until it succeeded once. */
const once = (work: () => Promise<void>) => {
  let done: Promise<void> | undefined
  return () => {
    done ??= work().catch((error: unknown) => {
      done = undefined
      throw error
    })
    return done
  }
}

const ignoreExisting = async (creation: Promise<unknown>): Promise<void> => {
  try {
    await creation
  } catch (error) {
    if (!hasCode(error, alreadyExists)) throw error
  }
}

/** Whether an error is the status of this number. @see https://grpc.io/docs/guides/status-codes/ */
const hasCode = (error: unknown, code: number): boolean =>
  error instanceof Error && 'code' in error && error.code === code

const toError = (error: unknown) => (error instanceof Error ? error : new Error(String(error)))
