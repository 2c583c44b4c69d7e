import type { RegionalRedis } from '#infra/redis.ts'
import { sha256 } from './secrets.ts'

/** Who plays once a month is still known where they play. */
const knownForMs = 30 * 24 * 3_600_000
/** What a process remembers by itself; beyond that it forgets the oldest. */
const ownMax = 100_000

/** An account, by what nobody can guess of it, and where somebody asks for it from. */
export type Visit = { readonly account: string; readonly network: string; readonly now: Date }

/**
 * Which networks an account was opened from within 30 days. Where that is lost, with Redis, every network is a stranger's until
 * the account is opened from it again. Without Redis, or while it is away, each instance knows what it saw itself.
 */
export type KnownNetworks = {
  isKnown(visit: Visit): Promise<boolean>
  /** Called again it begins the 30 days anew. */
  remember(visit: Visit): Promise<void>
}

export const createKnownNetworks = (redis: RegionalRedis | undefined): KnownNetworks => {
  const own = new Map<string, number>()

  /** Until when; the caller's clock decides, and Redis only forgets what is over. */
  const read = async (key: string): Promise<number> => {
    try {
      if (redis) return Number((await redis.get(key)) ?? 0)
    } catch {
      // What this process knows is less, and never wrong.
    }
    return own.get(key) ?? 0
  }

  return {
    isKnown: async (visit) => (await read(keyOf(visit))) > visit.now.getTime(),
    remember: async (visit) => {
      const key = keyOf(visit)
      const until = visit.now.getTime() + knownForMs
      own.delete(key)
      own.set(key, until)
      if (own.size > ownMax) own.delete(own.keys().next().value ?? '')
      await redis?.put(key, String(until), knownForMs).catch(() => {})
    },
  }
}

/** Neither account nor address can be read from it. */
const keyOf = ({ account, network }: Visit) => `known-network:${sha256(account, ' ', network)}`
