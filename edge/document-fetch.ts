import type { Cell } from '#contract/ids.ts'
import { Fault } from '#contract/problem.ts'
import type { DocumentName } from '#contract/route.ts'
import type { AskCore } from './core.ts'
import type { Exchange } from './exchange.ts'

/** What a core may take for a document. */
export const fetchBudgetMs = 2_000
/** A cell that gave no document is asked after the others for this long. */
const downMs = 30_000

/**
 * The text of a document from the first of the cells that has it. One that just failed is asked last, so that a core which hangs
 * costs its time only once. Rejects with what the first one said, when none has it.
 */
export type FetchDocument = (
  source: { readonly name: DocumentName; readonly cells: readonly Cell[] },
  exchange: Exchange,
) => Promise<string>

export const createFetchDocument = (askCore: AskCore): FetchDocument => {
  const downAt = new Map<Cell, number>()
  return async ({ name, cells }, exchange) => {
    const isDown = (cell: Cell) => Date.now() - (downAt.get(cell) ?? 0) < downMs
    let failure: unknown
    for (const cell of cells.toSorted((a, b) => Number(isDown(a)) - Number(isDown(b)))) {
      try {
        const text = await fetchFrom(askCore, exchange, { name, cell })
        downAt.delete(cell)
        return text
      } catch (error) {
        downAt.set(cell, Date.now())
        failure ??= error
      }
    }
    throw failure
  }
}

const fetchFrom = async (
  askCore: AskCore,
  exchange: Exchange,
  { name, cell }: { readonly name: DocumentName; readonly cell: Cell },
): Promise<string> => {
  // Asked for by the edge itself, not by the caller whose request happened to need it.
  const asEdge: Exchange = { ...exchange, principal: { kind: 'public' } }
  const answer = await askCore(asEdge, {
    cell,
    method: 'GET',
    target: `/internal/documents/${name}`,
    deadlineAt: Date.now() + fetchBudgetMs,
  })
  if (answer.status !== 200) {
    throw new Fault('unavailable', { cause: new Error(`the document ${name} was answered with ${answer.status}`) })
  }
  return answer.text
}
