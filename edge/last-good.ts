import type { LastingTexts } from '#infra/upstash.ts'
import { createBreaker } from './breaker.ts'
import type { DataCentre } from './data-centre.ts'

/**
 * Texts that outlive every core and every data centre's cache, in the last tier of all. What fails or is slow there is as if it
 * were not there: neither method rejects.
 */
export type LastGood = {
  /** Undefined where nothing was kept, or it cannot be had. */
  recall(name: string): Promise<string | undefined>
  /**
   * Keeps a text, unless somebody in this data centre has within a week. `mark` stands for the text: the text itself, where that
   * is short.
   */
  keep(name: string, text: string, mark?: string): Promise<void>
}

/** Well over the longest holiday: who comes back to a deployment without a core still finds its documents. */
const lifeMs = 30 * 86_400_000
/** Names that an isolate remembers: a hundred times what a deployment has at once. */
const toldMax = 1_000
/** A text that never changes is written again, before its life is over. */
const toldMs = 7 * 86_400_000
/** So long an isolate goes by its own memory: while it was idle, others may have told of another text. */
const rememberedMs = 60_000

/**
 * The load of the last tier grows with data centres and with changes, and not with isolates: that it was told is itself told
 * in the data centre.
 */
export const createLastGood = ({
  texts,
  dataCentre,
  clock,
}: {
  readonly texts: LastingTexts
  readonly dataCentre: DataCentre
  readonly clock: () => number
}): LastGood => {
  const told = new Map<string, { readonly mark: string; readonly at: number }>()
  const breaker = createBreaker(clock)
  const remember = (name: string, mark: string) => {
    if (told.size >= toldMax) told.clear()
    told.set(name, { mark, at: clock() })
  }
  const wasToldHere = async (name: string, mark: string): Promise<boolean> => {
    const own = told.get(name)
    if (own?.mark === mark && clock() - own.at < rememberedMs) return true
    const kept = await dataCentre.read(`told/${name}`).catch(() => undefined)
    if (kept?.text !== mark || clock() - kept.at >= toldMs) return false
    remember(name, mark)
    return true
  }
  return {
    recall: async (name) => {
      try {
        return (await texts.recall(keyOf(name))) ?? undefined
      } catch {
        return undefined
      }
    },
    keep: async (name, text, mark = text) => {
      if (await wasToldHere(name, mark)) return
      try {
        await breaker.run(() => texts.keep(keyOf(name), { text, lifeMs }))
        remember(name, mark)
        await dataCentre.write(`told/${name}`, { text: mark, at: clock() }, toldMs)
      } catch {
        // Told to nobody, so that the next one tries again.
      }
    },
  }
}

/** Beside the entries of cached answers and the versions of their tags. */
const keyOf = (name: string) => `last:${name}`
