import type { Moved } from '#contract/events.ts'
import { Fault } from '#contract/problem.ts'
import { type Database, isLockTimeout, isOutage, isStatementTimeout, isTransient } from '#db/client.ts'
import type { SetRow } from '#db/idempotency.ts'
import { type Command, inFlightWaitMs, replay, type Written } from './command.ts'

/** A write that is done for many callers by one statement; see `setStatement` for the statement's shape. */
export type SetVerb<Input> = {
  /** For the log. */
  readonly name: string
  readonly statement: string
  /** What the statement locks; at most one command of an aggregate is under way. */
  readonly aggregateOf: (input: Input) => string
}

/** Submits one command; resolves with its answer, rejects with its fault and nobody else's. */
export type Combiner<Input> = (command: Command, input: Input) => Promise<Written>

/** Commands in one statement: beyond that a set gains little, and the last of it waits longer. */
const sizeMax = 64
/** Statements under way: the database works on one while the answers of the other are taken apart. */
const inFlightMax = 2
/** Commands that wait: more than this would not be served within their deadlines. */
const waitingMax = 2_000
/** Before a key that another process has in hand is tried again. */
const busyPauseMs = 25
/** How long the commands of a principal whose command broke a set go alone. */
const quarantineMs = 60_000

type Pending<Input> = {
  readonly command: Command
  readonly input: Input
  readonly aggregate: string
  readonly giveUpAt: number
  readonly settle: PromiseWithResolvers<Written>
}

/**
 * Gathers what arrives while earlier statements are in flight: a lone command goes at once, a crowd goes together.
 *
 * A second call with a key that is under way here waits for the first and is given its answer. When a statement fails for
 * no reason of its own its set is halved until the command that broke it stands alone; only that one rejects.
 */
export const createCombiner = <Input>(
  verb: SetVerb<Input>,
  { database, clock }: { readonly database: Database; readonly clock: () => number },
): Combiner<Input> => {
  /** Commands by aggregate, first come first; an aggregate that is under way keeps its entry. */
  const waiting = new Map<string, Pending<Input>[]>()
  /** Aggregates with a command that may go, in the order in which they became free. */
  const ready: string[] = []
  const leaders = new Map<string, { fingerprint: string; done: Promise<Written> }>()
  const quarantined = new Map<string, number>()
  let inFlight = 0
  let size = 0

  const submit: Combiner<Input> = async (command, input) => {
    const identity = `${command.principal} ${command.key}`
    for (let leader = leaders.get(identity); leader; leader = leaders.get(identity)) {
      const written = await Promise.race([leader.done.catch(() => undefined), tooLate(command)])
      if (written) return replay({ ...written, fingerprint: leader.fingerprint }, command.fingerprint)
    }
    if (size >= waitingMax) throw new Fault('unavailable', { detail: `more than ${waitingMax} writes are waiting` })
    const settle = Promise.withResolvers<Written>()
    leaders.set(identity, { fingerprint: command.fingerprint, done: settle.promise })
    enqueue({
      command,
      input,
      aggregate: verb.aggregateOf(input),
      giveUpAt: clock() + inFlightWaitMs,
      settle,
    })
    pump()
    return settle.promise.finally(() => leaders.delete(identity))
  }

  const again = (pending: Pending<Input>) => {
    enqueue(pending)
    pump()
  }

  const enqueue = (pending: Pending<Input>) => {
    size++
    const line = waiting.get(pending.aggregate)
    if (line) line.push(pending)
    else {
      waiting.set(pending.aggregate, [pending])
      ready.push(pending.aggregate)
    }
  }

  const pump = () => {
    while (inFlight < inFlightMax && ready.length > 0) {
      const set = take()
      inFlight++
      runSet(set).finally(() => {
        inFlight--
        for (const { aggregate } of set) release(aggregate)
        pump()
      })
    }
  }

  /** The next set: at most one command an aggregate, and a quarantined principal's command alone. */
  const take = (): Pending<Input>[] => {
    const set: Pending<Input>[] = []
    while (set.length < sizeMax) {
      const aggregate = ready[0]
      const next = aggregate === undefined ? undefined : waiting.get(aggregate)?.[0]
      if (!next) break
      const alone = (quarantined.get(next.command.principal) ?? 0) > clock()
      if (alone && set.length > 0) break
      ready.shift()
      waiting.get(next.aggregate)?.shift()
      size--
      set.push(next)
      if (alone) break
    }
    return set
  }

  const release = (aggregate: string) => {
    if (waiting.get(aggregate)?.length) ready.push(aggregate)
    else waiting.delete(aggregate)
  }

  const runSet = async (set: readonly Pending<Input>[]) => {
    const now = clock()
    const live = set.filter((pending) => {
      const expired = pending.command.deadlineAt <= now
      if (expired) pending.settle.reject(new Fault('deadline_exceeded'))
      return !expired
    })
    if (live.length === 0) return
    try {
      const rows = await database.statement<SetRow>(verb.statement, parametersOf(live, now))
      for (const row of rows) settle(live[row.ord - 1], row)
    } catch (error) {
      await runApart(live, error)
    }
  }

  const settle = (pending: Pending<Input> | undefined, row: SetRow) => {
    if (!pending) throw new Error(`a statement of ${verb.name} answered for a command that it was not given`)
    if (row.outcome === 'busy' || row.outcome === 'raced') {
      if (clock() < pending.giveUpAt) setTimeout(again, row.outcome === 'busy' ? busyPauseMs : 0, pending)
      else pending.settle.reject(new Fault('idempotency_in_flight'))
      return
    }
    if (row.outcome === 'mismatch') return pending.settle.reject(new Fault('idempotency_mismatch'))
    pending.settle.resolve(writtenOf(row))
  }

  const runApart = async (set: readonly Pending<Input>[], error: unknown) => {
    const [first] = set
    if (isOutage(error) || (set.length === 1 && !isTransient(error))) {
      if (set.length === 1 && first && !isPassing(error)) quarantine(first.command.principal)
      for (const pending of set) pending.settle.reject(error)
    } else if (set.length === 1 && first) {
      if (clock() < first.giveUpAt) again(first)
      else first.settle.reject(error)
    } else {
      const half = Math.ceil(set.length / 2)
      await runSet(set.slice(0, half))
      await runSet(set.slice(half))
    }
  }

  const quarantine = (principal: string) => {
    const now = clock()
    for (const [known, until] of quarantined) if (until <= now) quarantined.delete(known)
    quarantined.set(principal, now + quarantineMs)
  }

  return submit
}

/** What the next set need not meet again: it says nothing of the command. */
const isPassing = (error: unknown) => isOutage(error) || isLockTimeout(error) || isStatementTimeout(error)

/** A call does not wait longer for the first one with its key than anywhere else. */
const tooLate = async (command: Command): Promise<never> => {
  await new Promise((resolve) =>
    setTimeout(resolve, Math.min(inFlightWaitMs, command.deadlineAt - command.now.getTime())),
  )
  throw new Fault('idempotency_in_flight')
}

const parametersOf = <Input>(set: readonly Pending<Input>[], now: number) => [
  set.map(({ command }) => command.principal),
  set.map(({ command }) => command.key),
  set.map(({ command }) => command.fingerprint),
  set.map(({ input }) => JSON.stringify(input)),
  set.map(({ command }) => command.requestId),
  set.map(({ command }) => command.traceparent),
  String(now),
]

const writtenOf = ({ outcome, status, content_type, body, moved }: SetRow): Written => {
  if (status === null || content_type === null || body === null) throw new Error('a set answered without an answer')
  return { status, contentType: content_type, body, moved: (moved ?? []) as Moved[], replayed: outcome === 'replayed' }
}
