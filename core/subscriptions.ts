import type { Cell } from '#contract/ids.ts'
import type { BusTopic } from '#infra/event-bus.ts'

/**
 * The consumers of a deployment, by the name that each has in a cell: what each takes, and which cells have it. A cell's
 * subscription is `<prefix>-<cell>-<name>`; Terraform makes them from this same table.
 */
export const subscriptions = {
  invalidate: { topic: 'events', cells: 'all' },
  'move-belongings': { topic: 'events', cells: 'all' },
  'move-credentials': { topic: 'events', cells: 'followers' },
  replicate: { topic: 'replication', cells: 'followers' },
  'dead-letters': { topic: 'dead-letters', cells: 'all' },
} as const satisfies Record<string, { readonly topic: BusTopic; readonly cells: 'all' | 'followers' }>

export type SubscriptionName = keyof typeof subscriptions

/** The names of the consumers that a cell has: all, but those of followers in the control cell. */
export const subscriptionsOf = (cell: Cell, control: Cell): SubscriptionName[] =>
  subscriptionNames.filter((name) => subscriptions[name].cells === 'all' || cell !== control)

// The keys of a constant are its own.
const subscriptionNames = Object.keys(subscriptions) as SubscriptionName[]
