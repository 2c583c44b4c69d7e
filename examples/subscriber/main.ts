import { readFile } from 'node:fs/promises'
import { type Message, PubSub, type Subscription } from '@google-cloud/pubsub'
import postgres from 'postgres'
import { takeOver } from './copy.ts'
import { isFor, parseEvent } from './event.ts'
import { parseSettings, type Settings } from './settings.ts'

/** Messages in hand at once: enough to keep four connections busy. */
const inHandMax = 64
const connectionsMax = 4
/** Of a Pub/Sub that does not answer, the client would ask for minutes. */
const subscribeMaxMs = 15_000
/** Below the ten seconds that Cloud Run gives. */
const drainMaxMs = 8_000
const alreadyExists = 6

const fail = (error: unknown): never => {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
}

const settingsOrExit = (): Settings => {
  try {
    return parseSettings(process.env)
  } catch (error) {
    return fail(error)
  }
}

const settings = settingsOrExit()
// With an emulator there is no Google machine to ask for credentials.
if (settings.emulatorHost) process.env.METADATA_SERVER_DETECTION ??= 'none'
const pubsub = new PubSub({
  projectId: settings.project,
  ...(settings.emulatorHost ? { apiEndpoint: settings.emulatorHost, emulatorMode: true } : {}),
})
const sql = postgres(settings.databaseUrl, { max: connectionsMax, onnotice: () => {} })
const inHand = new Set<Promise<void>>()

/** Acknowledges what is done with, and gives back what failed: it comes again, and what follows it on its key waits. */
const receive = async (message: Message): Promise<void> => {
  const { attributes } = message
  try {
    if (isFor(message, settings.subscription)) await takeOver(sql, parseEvent(message))
    message.ack()
  } catch (error) {
    message.nack()
    const [eventId, trace] = [attributes['ce-id'], attributes['ce-traceparent']?.split('-')[1]]
    console.error(JSON.stringify({ message: 'an event was given back', eventId, trace, error: String(error) }))
  }
}

/** Against the real service whoever owns the subscription makes it, with its dead-letter policy: see the README. */
const createOnEmulator = async (subscription: Subscription): Promise<void> => {
  if (!settings.emulatorHost) return
  try {
    await subscription.create({
      enableMessageOrdering: true,
      ackDeadlineSeconds: 10,
      // Without rests, what we give back would come again at once, and for ever.
      retryPolicy: { minimumBackoff: { seconds: 1 }, maximumBackoff: { seconds: 60 } },
    })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === alreadyExists)) throw error
  }
}

const start = async (): Promise<Subscription> => {
  await sql.unsafe(await readFile(new URL('schema.sql', import.meta.url), 'utf8'))
  const subscription = pubsub
    .topic(settings.topic)
    .subscription(settings.subscription, { flowControl: { maxMessages: inHandMax } })
  const { emulatorHost = 'Google', subscription: name, topic } = settings
  const timer = setTimeout(
    () => fail(`Pub/Sub (${emulatorHost}) did not answer within ${subscribeMaxMs / 1_000} s.`),
    subscribeMaxMs,
  )
  await createOnEmulator(subscription)
  clearTimeout(timer)
  subscription.on('error', fail)
  subscription.on('message', (message: Message) => {
    const work = receive(message).finally(() => inHand.delete(work))
    inHand.add(work)
  })
  console.log(`Takes the events of ${topic} as ${name}.`)
  return subscription
}

const subscription = await start().catch(fail)

/** Takes no more, ends what is in hand, and goes; what was not acknowledged comes again. */
const stop = async (): Promise<void> => {
  setTimeout(() => process.exit(1), drainMaxMs).unref()
  await subscription.close()
  await Promise.all(inHand)
  await Promise.allSettled([pubsub.close(), sql.end({ timeout: 1 })])
  process.exit(0)
}
process.once('SIGTERM', () => void stop())
process.once('SIGINT', () => void stop())
