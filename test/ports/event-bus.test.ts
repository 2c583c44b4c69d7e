import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { topicsOf } from '#core/config.ts'
import { deliveriesMax, type OnRefused } from '#infra/deliver.ts'
import { createDirectBus } from '#infra/direct-bus.ts'
import { type BusMessage, type EventBus, parseDeadLetter, type Subscriber } from '#infra/event-bus.ts'
import { createPubSub } from '#infra/pubsub.ts'
import { eventually } from '#test/eventually.ts'
import { fulfils } from '#test/fulfils.ts'
import { pubsubEmulatorHost } from '#test/pubsub-emulator.ts'

/** An adapter of the port. */
type Case = {
  readonly name: string
  readonly open: (topics: string, onRefused: OnRefused) => EventBus
  /** Whether it keeps a message that nobody takes now. */
  readonly keepsMessages: boolean
  /** How often a message is tried while its subscriber's parts are away; the rests of Pub/Sub's adapter grow to seconds. */
  readonly triesInOutage: number
}

const emulatorHost = await pubsubEmulatorHost()
const direct: Case = {
  name: 'direct',
  open: (_, onRefused) => createDirectBus(onRefused),
  keepsMessages: false,
  triesInOutage: deliveriesMax + 1,
}
const cases = [direct]
const pubSub: Case = {
  name: 'Pub/Sub',
  open: (topics, onRefused) =>
    createPubSub({
      projectId: 'perigee-test',
      topics: topicsOf({ PUBSUB_PREFIX: topics }),
      emulatorHost: emulatorHost ?? undefined,
      onError: () => {},
      onRefused,
    }),
  keepsMessages: true,
  triesInOutage: 5,
}
if (emulatorHost) cases.push(pubSub)
else console.log('Pub/Sub: no emulator; the suite of the port runs on the direct bus alone')

const withinMs = 20_000
const taken = async () => {}

const messageOf = (attributes: Readonly<Record<string, string>> = {}): BusMessage => ({
  orderingKey: `key-${randomUUID()}`,
  attributes: { 'ce-id': randomUUID(), ...attributes },
  data: Buffer.from(JSON.stringify({ text: 'päckchen', zero: 0 })),
})

const idOf = ({ attributes }: BusMessage): string => attributes['ce-id'] ?? ''

/** Publishes as the relay does: what the bus did not take is brought again. */
const publishUntilTaken = async (bus: EventBus, messages: readonly BusMessage[]): Promise<void> => {
  let waiting = messages
  await eventually(async () => {
    const answers = await bus.publish(waiting)
    waiting = waiting.filter((_, at) => !answers[at])
    return waiting.length === 0
  }, withinMs)
}

describe.each(cases)('$name', ({ open, keepsMessages, triesInOutage }) => {
  let bus: EventBus
  const refusals: Parameters<OnRefused>[0][] = []
  const prefix = `t${randomUUID().slice(0, 8)}`
  beforeAll(() => {
    bus = open(prefix, (refusal) => refusals.push(refusal))
  })
  afterAll(() => bus?.close())

  /** A subscriber of its own; it sees the messages of one test only, and takes all others. */
  const subscribe = async (
    message: BusMessage,
    options: Partial<Pick<Subscriber, 'handle' | 'available' | 'topic'>> = {},
  ): Promise<{ name: string; seen: BusMessage[] }> => {
    const name = `${prefix}-${randomUUID().slice(0, 8)}`
    const seen: BusMessage[] = []
    const { topic = 'events', available = taken, handle = taken } = options
    await bus.subscribe({
      topic,
      name,
      available,
      handle: async (delivered) => {
        if (idOf(delivered) !== idOf(message)) return
        seen.push(delivered)
        await handle(delivered)
      },
    })
    return { name, seen }
  }

  test('a message reaches every subscriber, with its key, its attributes and its bytes as they were', async () => {
    const message = { ...messageOf({ note: 'ü 100%' }), data: Uint8Array.from({ length: 256 }, (_, at) => at) }
    const [first, second] = [await subscribe(message), await subscribe(message)]
    await publishUntilTaken(bus, [message])
    await eventually(async () => first.seen.length > 0 && second.seen.length > 0, withinMs)
    for (const delivered of [first.seen[0], second.seen[0]]) {
      expect(delivered?.orderingKey).toBe(message.orderingKey)
      expect(delivered?.attributes).toEqual(message.attributes)
      expect(Buffer.from(delivered?.data ?? []).equals(Buffer.from(message.data))).toBe(true)
    }
  })

  test('a bus that is there answers', () => bus.ping())

  test('messages of one key are delivered in the order in which they were published', async () => {
    const messages = Array.from({ length: 50 }, (_, at) => ({ ...messageOf({ at: String(at) }), orderingKey: prefix }))
    const order: number[] = []
    const ids = new Set(messages.map(idOf))
    await bus.subscribe({
      topic: 'events',
      name: `${prefix}-order`,
      available: taken,
      handle: async (delivered) => {
        if (ids.has(idOf(delivered))) order.push(Number(delivered.attributes.at))
      },
    })
    await publishUntilTaken(bus, messages)
    await eventually(async () => order.length >= messages.length, withinMs)
    expect(order).toEqual(messages.map((_, at) => at))
  })

  test('a message that was refused comes again, until it is taken', async () => {
    const message = messageOf()
    let left = 2
    const { name, seen } = await subscribe(message, {
      handle: async () => {
        if (left-- > 0) throw new Error('not yet')
      },
    })
    await publishUntilTaken(bus, [message])
    await eventually(async () => seen.length >= 3, withinMs)
    const ours = refusals.filter(({ subscription }) => subscription === name)
    expect(ours.map(({ attempt, next }) => [attempt, next])).toEqual([
      [1, 'comes again'],
      [2, 'comes again'],
    ])
  })

  test('the tenth refusal makes a dead letter with message, reason and count, and the message does not come again', async () => {
    const message = messageOf({ kept: 'yes' })
    const letters = await subscribe(message, { topic: 'dead-letters' })
    const refusing = await subscribe(message, { handle: async () => Promise.reject(new RangeError('never')) })
    await publishUntilTaken(bus, [message])
    await eventually(async () => letters.seen.length > 0, withinMs)
    const [delivered] = letters.seen
    if (!delivered) throw new Error('a letter was delivered')
    const { data, ...letter } = parseDeadLetter(delivered).message
    expect(parseDeadLetter(delivered)).toMatchObject({
      subscription: refusing.name,
      reason: 'RangeError: never',
      attempts: deliveriesMax,
    })
    expect(letter.attributes).toEqual(message.attributes)
    expect(Buffer.from(data).equals(Buffer.from(message.data))).toBe(true)
    expect(refusing.seen).toHaveLength(deliveriesMax)
    expect(refusals.filter(({ subscription }) => subscription === refusing.name).at(-1)?.next).toBe('is buried')
  })

  test('what fails while the subscriber’s own parts are away is no refusal, and is taken when they are back', async () => {
    const message = messageOf()
    let away = true
    let done = false
    const outage = async () => (away ? Promise.reject(new Error('away')) : undefined)
    const letters = await subscribe(message, { topic: 'dead-letters' })
    const { name, seen } = await subscribe(message, {
      available: outage,
      handle: async () => {
        await outage()
        done = true
      },
    })
    const published = publishUntilTaken(bus, [message])
    await eventually(async () => seen.length >= triesInOutage, withinMs)
    away = false
    await published
    await eventually(async () => done, withinMs)
    expect(refusals.filter(({ subscription }) => subscription === name)).toEqual([])
    expect(letters.seen).toEqual([])
  })

  test('a dead letter that nobody can take yet is kept, and delivered when somebody can', async () => {
    const message = messageOf()
    let left = deliveriesMax + 2
    const { seen } = await subscribe(message, {
      topic: 'dead-letters',
      handle: async () => {
        if (left-- > 0) throw new Error('not yet')
      },
    })
    const bury = () => bus.bury({ subscription: 'nobody', message, reason: 'test', attempts: 1 })
    // The direct bus keeps nothing: it says no, and whoever buries brings the letter again.
    await eventually(() => fulfils(bury()), withinMs)
    await eventually(async () => seen.length > deliveriesMax + 2, 60_000)
  }, 90_000)

  test('after the end of the subscriptions what runs ends first, nothing is delivered, and no message passes for one that was taken by all', async () => {
    const ending = open(`${prefix}end`, () => {})
    const [first, second] = [messageOf(), messageOf()]
    const begun = Promise.withResolvers<void>()
    const held = Promise.withResolvers<void>()
    const seen: string[] = []
    const name = `${prefix}end-${randomUUID().slice(0, 8)}`
    const handle = async (message: BusMessage) => {
      seen.push(idOf(message))
      begun.resolve()
      await held.promise
    }
    await ending.subscribe({ topic: 'events', name, available: taken, handle })
    const published = publishUntilTaken(ending, [first])
    await begun.promise
    let isOver = false
    const over = ending.unsubscribe().then(() => {
      isOver = true
    })
    // Pub/Sub keeps what is published now, and the direct bus takes none of it, so that the outbox does.
    const answering = ending.publish([second])
    await Promise.race([answering, new Promise((resolve) => setTimeout(resolve, 500))])
    expect(isOver, 'the end waits for the handler').toBe(false)
    held.resolve()
    await Promise.all([over, published, ending.unsubscribe()])
    const [answer] = await answering
    await ending.close()
    expect(seen).toEqual([idOf(first)])
    expect(answer).toBe(keepsMessages)
  })
})

test.skipIf(!emulatorHost)(
  'two processes of one Pub/Sub subscription share its messages; the direct bus is one process',
  async () => {
    const topics = `t${randomUUID().slice(0, 8)}`
    const messages = Array.from({ length: 200 }, () => messageOf())
    const buses = [pubSub.open(topics, () => {}), pubSub.open(topics, () => {})]
    const seen = buses.map((): string[] => [])
    for (const [at, bus] of buses.entries())
      await bus.subscribe({
        topic: 'events',
        name: `${topics}-shared`,
        available: taken,
        handle: async (message) => {
          seen[at]?.push(idOf(message))
        },
      })
    const [publisher] = buses
    if (!publisher) throw new Error('there are two')
    await publishUntilTaken(publisher, messages)
    await eventually(async () => seen.flat().length >= messages.length, withinMs)
    expect(new Set(seen.flat())).toEqual(new Set(messages.map(idOf)))
    expect(seen.flat()).toHaveLength(messages.length)
    for (const part of seen) expect(part.length).toBeGreaterThan(0)
    console.log(`two processes shared ${messages.length} messages: ${seen.map(({ length }) => length).join(' and ')}`)
    await Promise.all(buses.map((bus) => bus.close()))
  },
)

test('Pub/Sub that is away does not answer', async () => {
  const bus = createPubSub({
    projectId: 'perigee-test',
    topics: topicsOf({ PUBSUB_PREFIX: 'away' }),
    emulatorHost: '127.0.0.1:9',
    onError: () => {},
    onRefused: () => {},
  })
  await expect(bus.ping()).rejects.toThrow()
  await bus.close()
})
