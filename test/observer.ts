import type { PlayerId } from '#contract/ids.ts'
import type { World } from './harness.ts'
import type { ProfileRead } from './profile-calls.ts'

/** What a look into the database showed. The rows are as of some moment between the two times. */
type Look = { readonly askedAt: number; readonly versions: ReadonlyMap<PlayerId, number> }

/** By then what an isolate answers is what the database has, or had less than this ago. */
export const agreeMaxMs = 10_000
/** What is later than that is late, by however much. */
const keptMs = 3 * agreeMaxMs

/** Looks at the database itself, beside every tier and every replica, and judges by it what isolates answer. */
export const createObserver = (world: World, players: readonly PlayerId[]) => {
  const looks: Look[] = []
  const highest = new Map<string, number>()
  const counts = { samples: 0, stale: 0, late: 0, latestMs: 0, regressions: 0, failed: 0 }

  const look = async (): Promise<ReadonlyMap<PlayerId, number>> => {
    const askedAt = Date.now()
    const rows = await world.sql`select player_id, version from players where player_id = any(${players})`
    const versions = new Map(rows.map((row) => [row.player_id as PlayerId, Number(row.version)]))
    looks.push({ askedAt, versions })
    if (askedAt - (looks[0]?.askedAt ?? askedAt) > keptMs) looks.shift()
    return versions
  }

  /** For how long, at the most, a newer version had been in the database: since the last look that did not show one. */
  const staleMs = (playerId: PlayerId, { version, answeredAt }: ProfileRead): number => {
    const isBehind = (one: Look) => (one.versions.get(playerId) ?? 0) > version
    const latest = looks.at(-1)
    if (!latest || !isBehind(latest)) return 0
    return answeredAt - (looks.findLast((one) => !isBehind(one)) ?? looks[0] ?? latest).askedAt
  }

  /**
   * Has an isolate asked. A read that it is asked only after it has answered another with a version may not show less; two that
   * it was asked at once may come in either order.
   */
  const judge = async (url: string, playerId: PlayerId, read: () => Promise<ProfileRead>): Promise<ProfileRead> => {
    const key = `${url} ${playerId}`
    const floor = highest.get(key) ?? 0
    const answer = await read()
    if (answer.status !== 200) {
      counts.failed++
      return answer
    }
    counts.samples++
    if (answer.version < floor) counts.regressions++
    highest.set(key, Math.max(highest.get(key) ?? 0, answer.version))
    const ms = staleMs(playerId, answer)
    if (ms > 0) counts.stale++
    if (ms > agreeMaxMs) counts.late++
    counts.latestMs = Math.max(counts.latestMs, ms)
    return answer
  }
  return { look, judge, counts }
}

export type Observer = ReturnType<typeof createObserver>
