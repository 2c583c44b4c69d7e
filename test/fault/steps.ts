import type { Db } from '#db/client.ts'
import type { BusMessage, EventBus } from '#infra/event-bus.ts'

/** Where a relay can die: around each statement and each publish of a turn. (The list of events lies between the lease and the publish.) */
export const relaySteps = [
  'before the lease',
  'after the lease',
  'after the list',
  'half published',
  'published, not marked',
  'marked',
] as const

/** Where a consumer of facts can die. */
export const consumerSteps = ['before the effect', 'after the effect', 'committed, not acknowledged'] as const

export type Step = (typeof relaySteps | typeof consumerSteps)[number]

/** Ends this process as a power cut would: nothing is flushed, closed or said. Never resolves. */
const die = (): Promise<never> => {
  process.kill(process.pid, 'SIGKILL')
  return new Promise(() => {})
}

/** Passes a step, or dies there. */
export type Pass = (step: Step) => Promise<void>

/** Dies when `at` is reached for the time after `passes` others; lives where `at` is undefined. */
export const createPass = (at: string | undefined, passes: number): Pass => {
  let left = passes
  return async (step) => {
    if (step === at && left-- === 0) await die()
  }
}

/** A relay's database and bus, with its steps in between. It dies only where there is something to lose: with events in hand. */
export const withRelaySteps = (parts: { readonly db: Db; readonly bus: EventBus }, pass: Pass) => {
  const { bus } = parts
  const execute: Db['execute'] = Object.assign((...query: Parameters<Db['execute']>) => executed(query))
  // A turn is one statement for the leases, then one mark for each partition that it got.
  let marksLeft = 0
  const executed = async (query: Parameters<Db['execute']>) => {
    const isMark = marksLeft > 0
    if (isMark) marksLeft--
    else await pass('before the lease')
    const rows = await parts.db.execute(...query)
    if (isMark) await pass('marked')
    else {
      marksLeft = rows.length
      if (rows.length > 0) await pass('after the lease')
    }
    return rows
  }
  const db = new Proxy(parts.db, {
    get: (target, name) => (name === 'execute' ? execute : Reflect.get(target, name, target)),
  })

  const publish = async (messages: readonly BusMessage[]): Promise<boolean[]> => {
    await pass('after the list')
    const half = Math.ceil(messages.length / 2)
    const first = await bus.publish(messages.slice(0, half))
    await pass('half published')
    const second = await bus.publish(messages.slice(half))
    await pass('published, not marked')
    return [...first, ...second]
  }
  return { db, bus: { ...bus, publish } }
}
