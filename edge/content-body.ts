import * as z from 'zod'
import type { Cell } from '#contract/ids.ts'
import { Fault } from '#contract/problem.ts'
import type { Cells } from './cells.ts'
import type { AskCore } from './core.ts'
import type { DataCentre } from './data-centre.ts'
import type { Exchange } from './exchange.ts'
import { sha256 } from './hash.ts'
import type { LastGood } from './last-good.ts'

/** Texts of published documents by their SHA-256, hex. Whatever has that hash is the text, wherever it comes from. */
export type ContentBodies = {
  /** @throws Fault `unavailable` when nobody has it */
  get(hash: string, exchange: Exchange): Promise<string>
}

/** In the data centre for as long as a pointer to it may be. */
const keptMs = 86_400_000
/** Some megabytes, at the most: not what an entry of the cache takes. */
const nearMaxMs = 500
/** What a core may take, so that another one and the last tier still can be asked while a request waits. */
const fetchBudgetMs = 1_500

const answerSchema = z.object({ compiled: z.string() })

/** Asks the data centre, then the nearest core, then another one, then what was kept for when these are gone. */
export const createContentBodies = (options: {
  readonly askCore: AskCore
  readonly cells: Cells
  readonly dataCentre: DataCentre
  readonly lastGood: LastGood
  readonly clock: () => number
}): ContentBodies => {
  const { askCore, cells, dataCentre, lastGood, clock } = options

  const fetchFrom = async (cell: Cell, hash: string, exchange: Exchange): Promise<string | undefined> => {
    const asEdge: Exchange = { ...exchange, principal: { kind: 'public' } }
    const target = `/internal/content/${hash}`
    const answer = await askCore(asEdge, { cell, method: 'GET', target, deadlineAt: clock() + fetchBudgetMs })
    return answer.status === 200 ? answerSchema.parse(JSON.parse(answer.text)).compiled : undefined
  }

  return {
    get: async (hash, exchange) => {
      const name = `content/${hash}`
      const nearest = cells.nearest(exchange)
      const other = cells.besides(nearest)
      const keepNear = (text: string) =>
        exchange.defer(dataCentre.write(name, { text, at: clock() }, keptMs).catch(() => {}))
      const keepLast = (text: string) => exchange.defer(lastGood.keep(name, text, hash))
      const sources: readonly Source[] = [
        { read: async () => (await dataCentre.read(name, nearMaxMs))?.text, keep: [keepLast] },
        { read: () => fetchFrom(nearest, hash, exchange), keep: [keepNear, keepLast] },
        ...(other ? [{ read: () => fetchFrom(other, hash, exchange), keep: [keepNear, keepLast] }] : []),
        { read: () => lastGood.recall(name), keep: [keepNear] },
      ]
      for (const { read, keep } of sources) {
        const text = await read().catch(() => undefined)
        if (text === undefined || (await sha256(text)) !== hash) continue
        for (const keepText of keep) keepText(text)
        return text
      }
      throw new Fault('unavailable', { detail: 'a published document cannot be had' })
    },
  }
}

/** Where a text may be found, and who else is to keep it that is found there. */
type Source = {
  readonly read: () => Promise<string | undefined>
  readonly keep: readonly ((text: string) => void)[]
}
