import type { Log } from '#infra/log.ts'
import type { Telemetry } from '#infra/telemetry.ts'
import { withTimeLimit } from '#infra/time-limit.ts'
import { createLoop, type Loop } from './loop.ts'
import { metrics } from './metrics.ts'

/** Something that the core stands on: what the log and the metrics call it, and a question that it answers while it is there. */
export type Dependency = {
  readonly name: string
  /** Rejects while it is away. */
  readonly ping: () => Promise<void>
}

/** An alert fires within a minute: ten looks are more than it needs, and a ping costs next to nothing. */
const pollMs = 5_000
/** Before the first look: clients connect in the background, and one that has not yet is not away. */
const beginMs = 1_000
/** What has not answered by then does not answer those who wait for it either. */
const answerMaxMs = 2_000

export type Dependencies = Loop & {
  /** Asks each of them once. Never rejects. */
  runOnce(): Promise<void>
}

/**
 * Asks what the core stands on whether it is there, all at once, every five seconds. Nothing is decided by it: who needs a
 * dependency finds out by itself. A change is a line in the log; what was found last is a gauge, and no figure before the first look.
 */
export const createDependencies = ({
  dependencies,
  telemetry,
  log,
}: {
  readonly dependencies: readonly Dependency[]
  readonly telemetry: Telemetry
  readonly log: Log
}): Dependencies => {
  const up = new Map<string, boolean>()
  telemetry.observe('gauge', metrics.dependencyUp, () =>
    [...up].map(([name, isUp]) => ({ value: isUp ? 1 : 0, attributes: { 'perigee.dependency': name } })),
  )

  const look = async ({ name, ping }: Dependency) => {
    const onLate = () => new Error(`no answer within ${answerMaxMs} ms`)
    const failure = await withTimeLimit(ping(), answerMaxMs, onLate).then(
      () => undefined,
      (error: unknown) => ({ error }),
    )
    const isUp = failure === undefined
    if (up.get(name) === isUp) return
    // That all is there at the start is no news.
    if (failure) log.error('a dependency is away', failure.error, { dependency: name })
    else if (up.has(name)) log.info('a dependency is back', { dependency: name })
    up.set(name, isUp)
  }

  const runOnce = async () => {
    await Promise.all(dependencies.map(look))
  }

  let begun = false
  const loop = createLoop(async () => {
    if (!begun) {
      begun = true
      return beginMs
    }
    await runOnce()
    return pollMs
  })
  return { ...loop, runOnce }
}
