import { type Cell, cellOf } from '#contract/ids.ts'
import { Fault } from '#contract/problem.ts'
import type { Document, Documents } from './document.ts'
import type { Exchange } from './exchange.ts'
import type { PlayerPrincipal } from './session.ts'

/** Refuses a session that has ended since its token was issued. @throws Fault `token_invalid` */
export type RequireUnrevoked = (exchange: Exchange, principal: PlayerPrincipal) => Promise<void>

type Index = {
  readonly document: Document<'revocations'>
  readonly sessions: ReadonlySet<string>
  readonly epochs: ReadonlyMap<string, number>
}

/** While a home cell does not say what it has revoked, nobody asks it again for this long. */
const retryMs = 1_000

/**
 * Goes by what the player's home cell has revoked. While that cannot be had at all, the token counts: for reads until it
 * expires, and for no write, for the core asks again.
 */
export const createRequireUnrevoked = (documents: Documents, clock: () => number): RequireUnrevoked => {
  const indexes = new Map<Cell, Index>()
  const failedAt = new Map<Cell, number>()

  const indexOf = async (exchange: Exchange, cell: Cell): Promise<Index | undefined> => {
    const known = indexes.get(cell)
    if (!known && clock() - (failedAt.get(cell) ?? 0) < retryMs) return undefined
    try {
      const document = await documents.get('revocations', exchange, cell)
      if (known?.document === document) return known
      const { sessions, players } = document.value
      const epochs = new Map(players.map(({ playerId, epoch }) => [playerId, epoch]))
      const index = { document, sessions: new Set(sessions), epochs }
      indexes.set(cell, index)
      return index
    } catch {
      failedAt.set(cell, clock())
      return undefined
    }
  }

  return async (exchange, { playerId, sessionId, epoch }) => {
    const index = await indexOf(exchange, cellOf(playerId))
    if (!index) return
    if (index.sessions.has(sessionId) || epoch < (index.epochs.get(playerId) ?? 0))
      throw new Fault('token_invalid', { detail: 'the session has ended; sign in again' })
  }
}
