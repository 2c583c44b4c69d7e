import type { RegionalRedis } from '#infra/redis.ts'
import { sha256 } from './secrets.ts'

/** Who plays once a month is still known where they play. */
const knownForMs = 30 * 24 * 3_600_000
/** What a process remembers by itself; beyond that it forgets the oldest. */
const ownMax = 100_000

/** An account, by what nobody can guess of it, and where somebody asks for it from. */
export type Visit = { readonly account: string; readonly network: string; readonly now: Date }

/**
 * Which networks an account was opened from within 30 days, over all instances of the cell. While Redis is away, where there
 * is none, or when it has lost what it held, each instance knows what it saw itself, and any other network is a stranger's until the account
 * is opened from there again.
 */
export type KnownNetworks = {
  isKnown(visit: Visit): Promise<boolean>
  /** Called again it begins the 30 days anew. */
  remember(visit: Visit): Promise<void>
}

export const createKnownNetworks = (redis: RegionalRedis): KnownNetworks => {
  const own = new Map<string, number>()

  /** Until when, as the others know it. The caller's clock decides; Redis only forgets what is over. */
  const ask = async (key: string): Promise<number> => {
    try {
      return Number((await redis.get(key)) ?? 0)
    } catch {
      return 0
    }
  }

  return {
    isKnown: async (visit) => {
      const key = keyOf(visit)
      const nowMs = visit.now.getTime()
      return (own.get(key) ?? 0) > nowMs || (await ask(key)) > nowMs
    },
    remember: async (visit) => {
      const key = keyOf(visit)
      const until = visit.now.getTime() + knownForMs
      own.delete(key)
      own.set(key, until)
      if (own.size > ownMax) own.delete(own.keys().next().value ?? '')
      // Whoever runs the cell is told of it by `watchRedis`; here it is known all the same.
      await redis.put(key, String(until), knownForMs).catch(() => {})
    },
  }
}

/** Neither account nor address can be read from it. */
const keyOf = ({ account, network }: Visit) => `known-network:${sha256(account, ' ', network)}`
