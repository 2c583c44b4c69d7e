import { type VersionedStore, versionLifeMs } from '#infra/upstash.ts'
import type { Pause } from './cache-model.ts'

type Kept<Value> = { readonly value: Value; readonly until: number }
type Region = { entries: Map<string, Kept<string>>; versions: Map<string, Kept<number>> }

/** What goes wrong with the store; it may change at any time. Shares are from 0 to 1. */
export type Losses = {
  /** Everything is refused. */
  down: boolean
  /** The share of writes that are acknowledged and take effect nowhere. */
  forgetShare: number
  /** The share of writes that one of the two regions never hears of. */
  divergeShare: number
}

/**
 * Upstash as two regions that are told of each write one after the other, and of some not at all. No lag: what is late is
 * what `writePause` makes late. A write that finds it down half way has reached one of the two.
 */
export const createLossyStore = (options: {
  readonly clock: () => number
  readonly random: () => number
  readonly readPause: Pause
  readonly writePause: Pause
}) => {
  const { clock, random, readPause, writePause } = options
  const losses: Losses = { down: false, forgetShare: 0, divergeShare: 0 }
  const newRegion = (): Region => ({ entries: new Map(), versions: new Map() })
  const regions: [Region, Region] = [newRegion(), newRegion()]

  const find = <Value>(kept: Map<string, Kept<Value>>, key: string): Value | null => {
    const found = kept.get(key)
    return found && found.until > clock() ? found.value : null
  }
  const requireUp = () => {
    if (losses.down) throw new Error('Upstash is gone')
  }
  const raiseOne = ({ versions }: Region, tag: string, version: number) =>
    versions.set(tag, { value: Math.max(find(versions, tag) ?? 0, version), until: clock() + versionLifeMs })
  const write = async (label: string, change: (region: Region) => void): Promise<void> => {
    const deaf = random() < losses.divergeShare ? regions[random() < 0.5 ? 0 : 1] : undefined
    const forgotten = random() < losses.forgetShare
    for (const region of regions) {
      await writePause(label)
      requireUp()
      if (!forgotten && region !== deaf) change(region)
    }
  }

  /** As those see it who read from this region. */
  const storeOf = (at: 0 | 1): VersionedStore => ({
    lookUp: async (key, tag) => {
      await readPause(`region ${at} is asked for ${key}`)
      requireUp()
      const region = regions[at]
      return { entry: find(region.entries, key), version: find(region.versions, tag) }
    },
    fill: async (key, { tag, version }, { text, lifeMs }) => {
      await write(`a region keeps ${key} at ${version}`, (region) => {
        region.entries.set(key, { value: text, until: clock() + lifeMs })
        raiseOne(region, tag, version)
      })
      return { keys: 1 }
    },
    raise: (tags) =>
      write(`a region hears of ${tags.map(({ tag, version }) => `${tag}=${version}`)}`, (region) => {
        for (const { tag, version } of tags) raiseOne(region, tag, version)
      }),
    ping: async () => requireUp(),
  })
  return {
    losses,
    stores: [storeOf(0), storeOf(1)] as const,
    /** Both regions lose what they know of a tag's version. */
    loseVersion: (tag: string) => {
      for (const { versions } of regions) versions.delete(tag)
    },
    /** One region becomes what the other is: what only it had been told is gone. */
    failOver: (from: 0 | 1) => {
      const { entries, versions } = regions[from]
      regions[1 - from] = { entries: new Map(entries), versions: new Map(versions) }
    },
  }
}
