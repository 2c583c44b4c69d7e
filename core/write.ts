import type { Moved } from '#contract/events.ts'
import { type Cell, newId } from '#contract/ids.ts'
import { Fault, problemContentType, problemText } from '#contract/problem.ts'
import type { LeavingData, LeavingType } from '#contract/replication.ts'
import type { Database, Tx } from '#db/client.ts'
import { isTransient } from '#db/errors.ts'
import { insertClaim, probeClaim } from '#db/idempotency.ts'
import { insertEvents } from '#db/outbox.ts'
import type { SetStatement } from '#db/set-statement.ts'
import { type Combiner, type CombinerOptions, createCombiner, type SetWork } from './combine.ts'
import { type Command, inFlightWaitMs, replay, type Written } from './command.ts'

/** An event as a verb states it; its id, time and trace come from the command. */
export type NewEvent = {
  [Type in LeavingType]: {
    readonly type: Type
    readonly aggregate: string
    readonly version: number
    readonly data: LeavingData<Type>
    readonly moved: readonly Moved[]
  }
}[LeavingType]

/** What a verb decided. A refusal has no effect, whatever the verb wrote before it. */
export type Outcome<Answer> =
  | { readonly kind: 'applied'; readonly answer: Answer; readonly events: readonly NewEvent[] }
  | { readonly kind: 'refused'; readonly fault: Fault }

/**
 * The one way in which anything is written and leaves: work, claim, answer and events commit together.
 *
 * Both shapes answer a known key with the first answer, and throw `idempotency_mismatch` for another request under it,
 * `idempotency_in_flight` when the first call still runs after half a second, and `deadline_exceeded` without any effect.
 */
export type Write = {
  /** A plain transaction, for verbs that are rare. */
  one<Answer>(command: Command, status: number, work: (tx: Tx) => Promise<Outcome<Answer>>): Promise<Written>
  /** One statement for everything that arrives while the last one is under way, for verbs that are not. */
  set(command: Command, work: SetWork): Promise<Written>
}

const inFlightPauseMs = 25
/** A transaction that loses this often against others is told to come back later. */
const attemptsMax = 4

export type WriteOptions = {
  readonly database: Database
  readonly cell: Cell
  readonly clock: () => number
  readonly sets: CombinerOptions['sets']
  readonly watch?: CombinerOptions['watch']
}

export const createWrite = (options: WriteOptions): Write => {
  const combiners = new Map<SetStatement, Combiner>()
  const combinerOf = (statement: SetStatement): Combiner => {
    const combiner = combiners.get(statement) ?? createCombiner({ ...options, statement })
    combiners.set(statement, combiner)
    return combiner
  }
  return {
    one: (command, status, work) => writeOne(options, command, { status, work }),
    set: (command, work) => combinerOf(work.statement)(command, work),
  }
}

type One<Answer> = { readonly status: number; readonly work: (tx: Tx) => Promise<Outcome<Answer>> }

const writeOne = async <Answer>(
  { database, cell, clock }: WriteOptions,
  command: Command,
  one: One<Answer>,
): Promise<Written> => {
  const waitUntil = clock() + inFlightWaitMs
  for (let attempt = 1; ; ) {
    if (command.deadlineAt <= clock()) throw new Fault('deadline_exceeded')
    try {
      const db = database.until(command.deadlineAt)
      const written = await db.transaction((tx) => tryOne(tx, command, { ...one, cell }))
      if (written !== 'busy') return written
      if (clock() >= waitUntil) throw new Fault('idempotency_in_flight')
      await new Promise((resolve) => setTimeout(resolve, inFlightPauseMs))
    } catch (error) {
      if (!isTransient(error) || attempt++ === attemptsMax) throw error
    }
  }
}

const tryOne = async <Answer>(
  tx: Tx,
  command: Command,
  { status, work, cell }: One<Answer> & { readonly cell: Cell },
): Promise<Written | 'busy'> => {
  const probe = await probeClaim(tx, command)
  if (probe.kind === 'busy') return 'busy'
  if (probe.kind === 'claimed') return replay(probe.claim, command.fingerprint)

  const outcome = await undoneIfRefused(tx, work)
  const events = outcome.kind === 'applied' ? outcome.events : []
  const moved = events.flatMap((event) => event.moved)
  const answer =
    outcome.kind === 'applied'
      ? { status, contentType: 'application/json', body: JSON.stringify(outcome.answer) }
      : {
          status: outcome.fault.status,
          contentType: problemContentType,
          body: problemText(outcome.fault, command.requestId),
        }
  const { principal, key, fingerprint, now } = command
  await emit(tx, { cell, now, traceparent: command.traceparent }, events)
  await insertClaim(tx, { principal, key, fingerprint, ...answer, moved, createdAt: now })
  return { ...answer, moved, replayed: false }
}

/** Puts events into the outbox: they leave if and only if the transaction commits. */
export const emit = (
  tx: Tx,
  origin: { readonly cell: Cell; readonly now: Date; readonly traceparent: string },
  events: readonly NewEvent[],
): Promise<void> =>
  insertEvents(
    tx,
    events.map((event) => ({
      ...event,
      eventId: newId('event', origin.cell, origin.now.getTime()),
      traceparent: origin.traceparent,
      occurredAt: origin.now,
    })),
  )

/** Runs the work behind a savepoint, and takes back what it wrote when it refuses. */
const undoneIfRefused = async <Answer>(tx: Tx, work: One<Answer>['work']): Promise<Outcome<Answer>> => {
  try {
    return await tx.transaction(async (savepoint) => {
      const outcome = await work(savepoint)
      if (outcome.kind === 'refused') throw new Refused(outcome.fault)
      return outcome
    })
  } catch (error) {
    if (error instanceof Refused) return { kind: 'refused', fault: error.fault }
    throw error
  }
}

class Refused extends Error {
  readonly fault: Fault

  constructor(fault: Fault) {
    super('refused')
    this.fault = fault
  }
}
