import { Fault, problemText } from '#contract/problem.ts'
import type { Database } from '#db/client.ts'
import { DeadlinePassed, isLockTimeout, isOutage, isStatementTimeout, isTransient } from '#db/errors.ts'
import type { Answered, Refused, SetForm, SetRow, SetStatement } from '#db/set-statement.ts'
import type { Span } from '#infra/telemetry.ts'
import { withTimeLimit } from '#infra/time-limit.ts'
import { type Command, inFlightWaitMs, replay, type Written } from './command.ts'
import { unwatched, type WatchSets } from './watch-sets.ts'

/** What a verb asks for: which statement, on which aggregate, with what. Its aggregate is the key of the row that is locked. */
export type SetWork<Input extends object = object> = {
  readonly statement: SetStatement
  readonly aggregate: string
  readonly input: Input
}

/** What a verb found against its own command, for a statement that looks for earlier answers before it refuses. */
export const refusedWith = (fault: Fault, { requestId }: { readonly requestId: string }): Refused => ({
  code: fault.code,
  body: problemText(fault, requestId),
})

/** Submits one command; resolves with its answer, rejects with its fault and nobody else's. */
export type Combiner = (command: Command, work: SetWork) => Promise<Written>

export type CombinerOptions = {
  readonly database: Database
  readonly clock: () => number
  readonly statement: SetStatement
  /** Sees every set; nobody does where it is absent. */
  readonly watch?: WatchSets | undefined
  readonly sets: {
    /** Commands in one statement at the most: beyond 64 a set gains little, and the last of it waits longer. */
    readonly size: number
    /** Statements under way: at two the database works on one while the answers of the other are taken apart. */
    readonly inFlight: number
  }
}

/** Commands that wait: more than this would not be served within their deadlines. */
const waitingMax = 2_000
/** Single commands that wait for a row which another transaction holds. Each costs a connection, and no set waits for them. */
const heldInFlightMax = 2
/** Before a key that another process has in hand is tried again. */
const busyPauseMs = 25
/** How long the commands of a principal whose command broke a set go alone. */
const quarantineMs = 60_000

type Pending = SetWork & {
  readonly command: Command
  readonly giveUpAt: number
  /** What it is a part of, where that is recorded. */
  readonly span: Span | undefined
  readonly settle: PromiseWithResolvers<Written>
}

/**
 * Gathers what arrives while earlier statements are in flight: a lone command goes at once, a crowd goes together.
 *
 * A second call with a key that is under way here waits for the first and is given its answer. A command whose row another
 * transaction holds leaves its set and waits for the row on its own. When a statement fails for no reason of its own its set
 * is halved until the command that broke it stands alone; only that one rejects.
 */
export const createCombiner = ({ database, clock, statement, watch = unwatched, sets }: CombinerOptions): Combiner => {
  /** Commands by aggregate, first come first; an aggregate that is under way keeps its line, be it empty. */
  const lines = new Map<string, Pending[]>()
  /** Aggregates with a command that may go, in the order in which they became free. */
  const ready: string[] = []
  /** Commands whose row is held. Their aggregates are under way. */
  const held: Pending[] = []
  const leaders = new Map<string, { fingerprint: string; done: Promise<Written> }>()
  const quarantined = new Map<string, number>()
  let setsInFlight = 0
  let heldInFlight = 0
  let waiting = 0
  const watched = watch({ name: statement.name, waiting: () => waiting })

  const submit: Combiner = async (command, work) => {
    const identity = `${command.principal} ${command.key}`
    for (let leader = leaders.get(identity); leader; leader = leaders.get(identity)) {
      const written = await firstAnswer(leader.done, command)
      if (written) return replay({ ...written, fingerprint: leader.fingerprint }, command.fingerprint)
    }
    if (waiting >= waitingMax) throw new Fault('unavailable', { detail: `more than ${waitingMax} writes are waiting` })
    const settle = Promise.withResolvers<Written>()
    leaders.set(identity, { fingerprint: command.fingerprint, done: settle.promise })
    enqueue({ ...work, command, giveUpAt: clock() + inFlightWaitMs, span: watched.span(), settle })
    return settle.promise.finally(() => leaders.delete(identity))
  }

  const enqueue = (pending: Pending) => {
    waiting++
    const line = lines.get(pending.aggregate)
    if (line) line.push(pending)
    else {
      lines.set(pending.aggregate, [pending])
      ready.push(pending.aggregate)
    }
    pump()
  }

  /** Lets the next command of an aggregate go. */
  const release = ({ aggregate }: Pending) => {
    if (lines.get(aggregate)?.length) ready.push(aggregate)
    else lines.delete(aggregate)
  }

  const pump = () => {
    while (setsInFlight < sets.inFlight && ready.length > 0) {
      setsInFlight++
      void run(take(), 'passing').finally(() => {
        setsInFlight--
        pump()
      })
    }
    while (heldInFlight < heldInFlightMax && held.length > 0) {
      heldInFlight++
      void run(held.splice(0, 1), 'waiting').finally(() => {
        heldInFlight--
        pump()
      })
    }
  }

  /** The next set: at most one command an aggregate, and a quarantined principal's command alone. */
  const take = (): Pending[] => {
    const set: Pending[] = []
    while (set.length < sets.size) {
      const aggregate = ready[0]
      const next = aggregate === undefined ? undefined : lines.get(aggregate)?.[0]
      if (!next) break
      const alone = (quarantined.get(next.command.principal) ?? 0) > clock()
      if (alone && set.length > 0) break
      ready.shift()
      lines.get(next.aggregate)?.shift()
      waiting--
      set.push(next)
      if (alone) break
    }
    return set
  }

  const run = async (set: readonly Pending[], form: SetForm): Promise<void> => {
    const now = clock()
    const live = set.filter((pending) => {
      if (pending.command.deadlineAt <= now) reject(pending, new Fault('deadline_exceeded'))
      else if (form === 'waiting' && pending.giveUpAt <= now) reject(pending, contended())
      else return true
      return false
    })
    if (live.length === 0) return
    let rows: readonly SetRow[]
    try {
      // While the set waits for a connection its first callers may go: then it is put together anew, without them.
      const beginBy = Math.min(...live.map(({ command }) => command.deadlineAt))
      rows = await watched.run(live, () =>
        database.statement<SetRow>(statement[form], parametersOf(live, now), { beginBy }),
      )
    } catch (error) {
      return runApart(live, form, error)
    }
    // One row a command, in their order.
    for (const [at, pending] of live.entries()) settle(pending, rows[at])
  }

  const settle = (pending: Pending, row: SetRow | undefined) => {
    switch (row?.outcome) {
      case 'done':
      case 'replayed':
        pending.settle.resolve(writtenOf(row))
        return release(pending)
      case 'mismatch':
        return reject(pending, new Fault('idempotency_mismatch'))
      case 'held':
        return void held.push(pending)
      case 'busy':
        return again(pending, busyPauseMs, new Fault('idempotency_in_flight'))
      case 'raced':
        return again(pending, 0, new Fault('idempotency_in_flight'))
      default:
        return reject(pending, new Error('a set left a command without an outcome'))
    }
  }

  const reject = (pending: Pending, error: unknown) => {
    pending.settle.reject(error)
    release(pending)
  }

  /** Sends a command once more, unless it has waited long enough: then it rejects with what kept it. */
  const again = (pending: Pending, pauseMs: number, error: unknown) => {
    if (clock() >= pending.giveUpAt) return reject(pending, error)
    release(pending)
    setTimeout(enqueue, pauseMs, pending)
  }

  const runApart = async (set: readonly Pending[], form: SetForm, error: unknown): Promise<void> => {
    const [only] = set
    if (error instanceof DeadlinePassed && set.some(({ command }) => command.deadlineAt <= clock())) {
      await run(set, form)
    } else if (isOutage(error)) {
      for (const pending of set) reject(pending, error)
    } else if (set.length > 1 || !only) {
      const half = Math.ceil(set.length / 2)
      await run(set.slice(0, half), form)
      await run(set.slice(half), form)
    } else if (isTransient(error)) {
      again(only, 0, error)
    } else {
      if (!isPassing(error)) quarantine(only.command.principal)
      reject(only, error)
    }
  }

  const quarantine = (principal: string) => {
    const now = clock()
    for (const [known, until] of quarantined) if (until <= now) quarantined.delete(known)
    quarantined.set(principal, now + quarantineMs)
  }

  return submit
}

const contended = () => new Fault('unavailable', { detail: 'too many writes to the same thing' })

/** What the next set need not meet again: it says nothing of the command. */
const isPassing = (error: unknown) => isLockTimeout(error) || isStatementTimeout(error)

/**
 * The answer of the first call with a command's key; undefined when that call failed. Waits for it no longer than anywhere
 * else. @throws Fault `idempotency_in_flight`
 */
const firstAnswer = (done: Promise<Written>, command: Command): Promise<Written | undefined> => {
  const limitMs = Math.min(inFlightWaitMs, command.deadlineAt - command.now.getTime())
  const answer = done.catch(() => undefined)
  return withTimeLimit(answer, limitMs, () => new Fault('idempotency_in_flight'))
}

const parametersOf = (set: readonly Pending[], now: number) => [
  set.map(({ command }) => command.principal),
  set.map(({ command }) => command.key),
  set.map(({ command }) => command.fingerprint),
  set.map(({ aggregate }) => aggregate),
  set.map(({ input }) => JSON.stringify(input)),
  set.map(({ command }) => command.requestId),
  set.map(({ command }) => command.traceparent),
  String(now),
]

const writtenOf = ({ outcome, status, content_type, body, moved }: Answered): Written => ({
  status,
  contentType: content_type,
  body,
  moved,
  replayed: outcome === 'replayed',
})
