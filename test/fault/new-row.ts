import { type Cell, newId, type PlayerId } from '#contract/ids.ts'
import type { OutboxRow } from '#db/outbox.ts'

export type NewRow = Omit<OutboxRow, 'redrivenFor'>

/** An event of a player's profile, as a command would emit it. */
export const newRow = (event: { cell: Cell; playerId: PlayerId; version: number; nowMs: number }): NewRow => ({
  eventId: newId('event', event.cell, event.nowMs),
  aggregate: `player:${event.playerId}`,
  version: event.version,
  type: 'perigee.player.updated.v1',
  data: { playerId: event.playerId, changed: ['displayName'] },
  moved: [],
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  occurredAt: new Date(event.nowMs),
})

export const rest = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
