import { createGatherer, type Sets } from '#core/gather.ts'
import type { WatchSets } from '#core/watch-sets.ts'
import type { Database } from '#db/client.ts'
import type { PlayerRow } from '#db/players.ts'
import { type Claim, type Registration, registerPlayers } from '#db/register.ts'
import { type RotatedSession, type Rotation, rotateNewest } from '#db/rotate.ts'
import { type Found, type SignInAttempt, signInByCredentials } from '#db/sign-in.ts'

/** Until when its caller waits, ms since 1970. */
type Waited = { readonly deadlineAt: number }

/**
 * What begins and continues sessions: each call goes with those that come at the same time, in one statement and one commit, and
 * is answered as if it had come alone. What has waited for its turn until its caller had gone is not done.
 *
 * All throw Fault `deadline_exceeded`, and `unavailable` when too many wait.
 */
export type SessionSets = {
  /** As one of `signInByCredentials`. */
  signIn(attempt: SignInAttempt & Waited): Promise<Found | undefined>
  /** As one of `registerPlayers`. */
  register(registration: Registration & Waited): Promise<PlayerRow | undefined>
  /** As one of `rotateNewest`. */
  rotate(rotation: Rotation & Waited): Promise<RotatedSession | undefined>
}

export const createSessionSets = (options: {
  readonly database: Database
  readonly clock: () => number
  /** Of each of the statements by itself. */
  readonly sets: Sets
  readonly watch: WatchSets
}): SessionSets => {
  const { database, clock, sets, watch } = options
  /** Where a statement is not begun once the first of those who wait for it has gone. */
  const inTimeFor = (waited: readonly Waited[]): Pick<Database, 'statement'> => ({
    statement: (text, parameters) =>
      database.statement(text, parameters, { beginBy: Math.min(...waited.map(({ deadlineAt }) => deadlineAt)) }),
  })
  const isExpired = ({ deadlineAt }: Waited) => deadlineAt <= clock()
  const registering = (by: Claim['by']) =>
    createGatherer({
      run: (registrations: readonly (Registration & Waited)[]) =>
        registerPlayers(inTimeFor(registrations), by, registrations),
      keyOf: ({ credential }) => `${credential.provider} ${credential.credentialHash}`,
      isExpired,
      sets,
      watched: { name: `registrations-${by}`, watch },
    })
  const register = { alone: registering('alone'), control: registering('control'), follower: registering('follower') }
  return {
    signIn: createGatherer({
      run: (attempts: readonly (SignInAttempt & Waited)[]) => signInByCredentials(inTimeFor(attempts), attempts),
      isExpired,
      sets,
      watched: { name: 'sign-ins', watch },
    }),
    register: (registration) => register[registration.claim.by](registration),
    rotate: createGatherer({
      run: (rotations: readonly (Rotation & Waited)[]) => rotateNewest(inTimeFor(rotations), rotations),
      keyOf: ({ sessionId }) => sessionId,
      isExpired,
      sets,
      watched: { name: 'refreshes', watch },
    }),
  }
}
