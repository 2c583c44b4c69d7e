import type { Route } from './route.ts'

/** What is refused first under too much load, and what last: the last of these goes first. */
export const loadClasses = ['sign-in', 'write', 'read', 'batch'] as const

export type LoadClass = (typeof loadClasses)[number]

/** `overloaded` says when to come back: a second, in which a burst passes, and up to three more. */
export const overloadedRetryMinMs = 1_000
/** What is drawn for each refusal, so that those who were refused together do not come back together. */
export const overloadedRetrySpreadMs = 3_000

/**
 * The class of a route. A player who cannot sign in has nothing, one whose read is refused has what they saw before; what can wait
 * waits. Whoever runs the game counts to the first class: who is to end an overload has to be let in.
 */
export const loadClassOf = ({ access, cell, delivery, deferrable }: Route): LoadClass => {
  if (access === 'operator') return 'sign-in'
  if (deferrable || cell === 'targets') return 'batch'
  if (delivery.kind !== 'forwarded') return 'read'
  return access === 'client' || access === 'public' ? 'sign-in' : 'write'
}
