import type { BusHandler, EventBus } from './event-bus.ts'

/**
 * The bus for a machine without Pub/Sub: publishing calls the handlers, in this process. A message that a handler rejected
 * counts as not published, so the outbox keeps it and the relay brings it again.
 */
export const createDirectBus = (): EventBus => {
  const handlers = new Map<string, BusHandler>()
  return {
    publish: async (messages) => {
      const taken: boolean[] = []
      for (const message of messages) {
        const results = await Promise.allSettled([...handlers.values()].map((handle) => handle(message)))
        taken.push(results.every((result) => result.status === 'fulfilled'))
      }
      return taken
    },
    subscribe: async (name, handler) => {
      handlers.set(name, handler)
    },
    close: async () => handlers.clear(),
  }
}
