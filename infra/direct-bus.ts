import { deliver, type OnRefused } from './deliver.ts'
import { type BusMessage, type BusTopic, type EventBus, encodeDeadLetter, type Subscriber } from './event-bus.ts'

/** Messages whose refusals are counted; far more than a machine without Pub/Sub has in hand. */
const countedMax = 10_000

/**
 * The bus for a machine without Pub/Sub: publishing calls the subscribers, in this process. A message that one of them refused
 * counts as not published, so the outbox keeps it and the relay brings it again.
 */
export const createDirectBus = (onRefused: OnRefused): EventBus => {
  const subscribers = new Map<string, Subscriber>()
  const refusals = new Map<string, number>()
  const stopped = new AbortController()
  const underWay = new Set<Promise<boolean>>()

  const offer = async (subscriber: Subscriber, message: BusMessage): Promise<boolean> => {
    const counted = `${subscriber.name} ${message.attributes['ce-id']}`
    const attempt = (refusals.get(counted) ?? 0) + 1
    let refused = false
    const taken = await deliver(subscriber, {
      message,
      attempt,
      bury,
      holdMaxMs: 0,
      signal: stopped.signal,
      onRefused: (refusal) => {
        refused = true
        onRefused(refusal)
      },
    })
    if (taken) refusals.delete(counted)
    else if (refused) {
      if (refusals.size >= countedMax) refusals.clear()
      refusals.set(counted, attempt)
    }
    return taken
  }

  const offerAll = async (topic: BusTopic, message: BusMessage): Promise<boolean> => {
    // With nobody left to take it a message would look like one that everybody took.
    if (stopped.signal.aborted) return false
    const ours = [...subscribers.values()].filter((subscriber) => subscriber.topic === topic)
    const offers = ours.map((subscriber) => offer(subscriber, message))
    for (const one of offers) underWay.add(one)
    const taken = await Promise.all(offers)
    for (const one of offers) underWay.delete(one)
    return taken.every(Boolean)
  }

  const bury: EventBus['bury'] = async (letter) => {
    const somebody = [...subscribers.values()].some(({ topic }) => topic === 'dead-letters')
    if (!somebody || !(await offerAll('dead-letters', encodeDeadLetter(letter))))
      throw new Error('nobody took the dead letter')
  }

  const unsubscribe = async () => {
    stopped.abort()
    await Promise.all(underWay)
    subscribers.clear()
  }

  return {
    publish: async (messages) => {
      const taken: boolean[] = []
      for (const message of messages) taken.push(await offerAll(message.topic ?? 'events', message))
      return taken
    },
    subscribe: async (subscriber) => {
      subscribers.set(subscriber.name, subscriber)
    },
    bury,
    ping: async () => {},
    unsubscribe,
    close: unsubscribe,
  }
}
