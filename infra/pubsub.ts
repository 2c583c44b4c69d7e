import { type Message, PubSub, type Subscription, type Topic } from '@google-cloud/pubsub'
import type { BusMessage, EventBus } from './event-bus.ts'

export type PubSubOptions = {
  readonly projectId: string
  /** The topic that every event of this cell goes to. */
  readonly topic: string
  /** `host:port` of an emulator: no credentials are looked for, and topic and subscriptions are made when they are missing. */
  readonly emulatorHost: string | undefined
  /** Told of what went wrong: once a batch, and once a message whose handler rejected. */
  readonly onError: (error: Error) => void
}

/** A batch that Pub/Sub has not taken by then stays in the outbox. */
const publishTimeoutMs = 5_000
/** Messages that one process holds unacknowledged: enough to keep a consumer busy, little to redeliver after a crash. */
const outstandingMax = 500
const alreadyExists = 6

/** Google Pub/Sub with ordering keys. Against the real service Terraform makes topic and subscriptions. */
export const createPubSub = (options: PubSubOptions): EventBus => {
  // With an emulator there is no Google machine to ask for credentials, and asking takes seconds and a warning.
  if (options.emulatorHost) process.env.METADATA_SERVER_DETECTION ??= 'none'
  const client = new PubSub({
    projectId: options.projectId,
    ...(options.emulatorHost ? { apiEndpoint: options.emulatorHost, emulatorMode: true } : {}),
  })
  const topic = client.topic(options.topic, {
    messageOrdering: true,
    batching: { maxMessages: 100, maxMilliseconds: 2 },
    gaxOpts: { timeout: publishTimeoutMs, retry: null },
  })
  const subscriptions: Subscription[] = []
  const ready = options.emulatorHost ? once(() => ignoreExisting(topic.create())) : async () => {}

  return {
    publish: async (messages) => {
      try {
        await bounded(ready())
      } catch (error) {
        options.onError(toError(error))
        return messages.map(() => false)
      }
      const failures = await Promise.all(messages.map((message) => publishOne(topic, message)))
      const [failure] = failures.filter((error) => error !== undefined)
      if (failure) options.onError(failure)
      return failures.map((error) => error === undefined)
    },
    subscribe: async (name, handler) => {
      const subscription = topic.subscription(name, { flowControl: { maxMessages: outstandingMax } })
      if (options.emulatorHost) {
        await ready()
        await ignoreExisting(subscription.create({ enableMessageOrdering: true, ackDeadlineSeconds: 10 }))
      }
      subscription.on('error', options.onError)
      subscription.on('message', (message: Message) => {
        const { orderingKey = '', attributes, data } = message
        handler({ orderingKey, attributes, data: data.toString('utf8') }).then(
          () => message.ack(),
          (error) => {
            options.onError(toError(error))
            message.nack()
          },
        )
      })
      subscriptions.push(subscription)
    },
    close: async () => {
      await Promise.allSettled(subscriptions.map((subscription) => subscription.close()))
      await bounded(client.close()).catch(options.onError)
    },
  }
}

/** Why Pub/Sub did not take a message; undefined when it did. */
const publishOne = async (topic: Topic, { orderingKey, attributes, data }: BusMessage): Promise<Error | undefined> => {
  try {
    await bounded(topic.publishMessage({ orderingKey, attributes: { ...attributes }, data: Buffer.from(data) }))
    return undefined
  } catch (error) {
    // After a failure the client refuses the key until it is told that the order is in hand again: the outbox has it.
    topic.resumePublishing(orderingKey)
    return toError(error)
  }
}

const bounded = async <T>(work: Promise<T>): Promise<T> => {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => reject(new Error(`no answer from Pub/Sub within ${publishTimeoutMs} ms`)),
    publishTimeoutMs,
  )
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}

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
    if (!(error instanceof Error && 'code' in error && error.code === alreadyExists)) throw error
  }
}

const toError = (error: unknown) => (error instanceof Error ? error : new Error(String(error)))
