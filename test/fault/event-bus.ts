import { topicsOf } from '#core/config.ts'
import type { OnRefused } from '#infra/deliver.ts'
import { createDirectBus } from '#infra/direct-bus.ts'
import type { EventBus } from '#infra/event-bus.ts'
import { createPubSub } from '#infra/pubsub.ts'

/** A bus as a deployment has it: Pub/Sub's emulator where there is one, else the bus within a process. */
export const openEventBus = (options: {
  readonly prefix: string
  readonly emulatorHost: string | null
  readonly onRefused?: OnRefused
}): EventBus => {
  const { prefix, emulatorHost, onRefused = () => {} } = options
  if (!emulatorHost) return createDirectBus(onRefused)
  const topics = topicsOf({ PUBSUB_PREFIX: prefix })
  return createPubSub({ projectId: 'perigee-test', topics, emulatorHost, onError: () => {}, onRefused })
}

/** What a figure was measured on. */
export const busName = (emulatorHost: string | null): string => (emulatorHost ? 'Pub/Sub emulator' : 'direct')
