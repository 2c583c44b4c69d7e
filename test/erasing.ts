import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import { CallError } from '#contract/client.ts'
import { parseNamedKeys } from '#contract/edge-request.ts'
import type { PlayerId } from '#contract/ids.ts'
import { createDirectory } from '#core/directory.ts'
import { createEraser, type Eraser } from '#core/eraser.ts'
import { createPeers } from '#core/peers.ts'
import type { Db } from '#db/client.ts'
import { createLog } from '#infra/log.ts'
import type { Cells } from './cells.ts'
import { cell, type World } from './harness.ts'
import type { WorldCell } from './world-cell.ts'

type Member = Pick<WorldCell, 'cell' | 'coreUrl' | 'database'>

/** The eraser of one of a deployment's cells, to be run by hand; the first cell is the control cell. */
export const eraserOf = (
  own: Member,
  { cells, clock, secrets }: Pick<Cells, 'clock' | 'secrets'> & { readonly cells: readonly Member[] },
  db: Db = own.database.db,
): Eraser => {
  const [control = own] = cells
  const { cell: code, database } = own
  const others = new Map(cells.filter((one) => one.cell !== code).map((one) => [one.cell, one.coreUrl]))
  const neighbours = { control: control.cell, others }
  const peers = createPeers({ cell: code, others, edgeKeys: parseNamedKeys(secrets.edgeKeys), clock })
  const directory = createDirectory({ cell: code, neighbours, database, peers })
  const log = createLog({ service: 'test', cell: code }, () => {})
  return createEraser({ db, directory, cell: code, log, clock })
}

/** That of the one cell of a world. */
export const eraserOfWorld = (world: World, db: Db = world.database.db): Eraser =>
  eraserOf({ ...world, cell }, { ...world, cells: [] }, db)

export const failureOf = async (call: Promise<unknown>): Promise<CallError> => {
  const error = await call.catch((reason: unknown) => reason)
  return error instanceof CallError ? error : expect.fail(`should have been refused: ${JSON.stringify(error)}`)
}

export const codeOf = async (call: Promise<unknown>): Promise<string> => (await failureOf(call)).code

/** Makes a deletion that was asked for due. */
export const makeDue = ({ sql }: Pick<WorldCell, 'sql'>, playerId: string) =>
  sql`update players set delete_at = now() - interval '1 second' where player_id = ${playerId}`

/** What left about a player but their creation, the earliest first. */
export const eventsOf = async (
  { sql }: Pick<WorldCell, 'sql'>,
  playerId: string,
): Promise<readonly { readonly type: string; readonly data: Readonly<Record<string, unknown>> }[]> => {
  const rows = await sql<{ type: string; data: Readonly<Record<string, unknown>> }[]>`select type, data from outbox
    where aggregate = ${`player:${playerId}`} and type <> 'perigee.player.created.v1' order by version`
  return rows.map(({ type, data }) => ({ type, data }))
}

/** Deletes a player by an operator's hand. */
export const deleteByOperator = (world: World, playerId: PlayerId, key: string = randomUUID()) =>
  world
    .client({ bearer: world.keys.operator })
    .deletePlayer({ params: { playerId } }, { headers: { 'idempotency-key': key } })
